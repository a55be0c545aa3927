"""Where is looked: which columns, and which paths within `attributes`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ...event import FIELDS, Kind
from ..paths import column_of, path_of

READ: Final = tuple(name for name, kind in FIELDS.items() if kind in {Kind.TEXT, Kind.JSON} and name != "level")
"""The columns that hold text."""

_ATTRIBUTES: Final = "attributes"


@dataclass(frozen=True)
class Fields:
    """Some of the fields: `only` these (all, when it is empty), without those to `leave` alone."""

    only: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.only and not self.leave

    def columns(self) -> tuple[str, ...]:
        """The columns to look into."""
        only = {column_of(name) or _ATTRIBUTES for name in self.only}
        leave = {column_of(name) for name in self.leave}
        return tuple(name for name in READ if (not only or name in only) and name not in leave)

    def has(self, path: str) -> bool:
        """Whether what an attribute's path leads to is among them."""
        within = [path_of(name) for name in self.only if column_of(name) is None]
        without = [path_of(name) for name in self.leave if column_of(name) is None]
        if self.only and _ATTRIBUTES not in self.only and not _below(path, within):
            return False
        return not _below(path, without)


def _below(path: str, paths: list[str]) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in paths)


def mapped(value: Any, change: Callable[[str], str], fields: Fields, path: str = "") -> Any:
    """A value of JSON with its texts and names changed where they are among the fields, always in the same order."""
    if isinstance(value, str):
        return change(value) if fields.has(path) else value
    if isinstance(value, dict):
        return {
            change(name) if fields.has(inner) else name: mapped(one, change, fields, inner)
            for name, one, inner in ((name, one, f"{path}.{name}" if path else name) for name, one in value.items())
        }
    if isinstance(value, list):
        return [mapped(one, change, fields, path) for one in value]
    return value
