"""The catalogue of known failures: `families.toml`, read once.

A family is a cause that is known whatever the wording. The file itself says how its entries are written.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args

from .literal import words

Scope = Literal["node", "host", "subject"]
"""What one group of a family is about: the node that failed, the machine, or a thing that is named."""

_FLAGS: Final = re.IGNORECASE | re.DOTALL | re.MULTILINE
_KEYS: Final = frozenset({"events", "types", "text", "frame", "node", "subject"})


@dataclass(frozen=True, slots=True)
class Sign:
    """One way to tell a family. Everything that is given must hold."""

    events: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    text: re.Pattern[str] | None = None
    frame: re.Pattern[str] | None = None
    node: re.Pattern[str] | None = None
    subject: str = ""
    """What the group is about, where the message does not say."""
    words: tuple[str, ...] = ()
    """In small letters; a message that fits `text` contains one of them. None when nothing is sure."""

    @property
    def names_alone(self) -> frozenset[str]:
        """The events or the classes of exceptions that are enough by themselves."""
        return frozenset() if self.text or self.frame or self.node else self.events or self.types


@dataclass(frozen=True, slots=True)
class Family:
    """One known cause."""

    name: str
    scope: Scope
    signs: tuple[Sign, ...]


@cache
def families() -> tuple[Family, ...]:
    """All of them, the particular ones before the general ones."""
    return read(files(__package__).joinpath("families.toml").read_text(encoding="utf-8"))


@cache
def names() -> frozenset[str]:
    """What the families are called."""
    return frozenset(family.name for family in families())


@cache
def by_name() -> Mapping[str, Family]:
    """The family of each event and each exception whose name says it all. Events have small letters, exceptions not."""
    found: dict[str, Family] = {}
    for family in families():
        for sign in family.signs:
            found |= {name: found.get(name, family) for name in sign.names_alone}
    return found


@cache
def by_text() -> tuple[tuple[Family, Sign], ...]:
    """The other signs, in the order of the file."""
    return tuple((family, sign) for family in families() for sign in family.signs if not sign.names_alone)


def read(written: str) -> tuple[Family, ...]:
    """The families of a text like `families.toml`. Raises ValueError when it is not understood."""
    return tuple(_family(entry) for entry in tomllib.loads(written)["family"])


def _family(entry: Mapping[str, Any]) -> Family:
    if entry["scope"] not in get_args(Scope) or not entry["signs"]:
        raise ValueError("not a family", entry)
    return Family(entry["name"], entry["scope"], tuple(_signs(entry["signs"])))


def _signs(written: Iterable[Mapping[str, Any]]) -> Iterable[Sign]:
    for sign in written:
        if not sign or set(sign) - _KEYS:
            raise ValueError("not a sign", sign)
        patterns = {key: re.compile(sign[key], _FLAGS) for key in ("text", "frame", "node") if key in sign}
        events, types = (frozenset(sign.get(key, ())) for key in ("events", "types"))
        yield Sign(events, types, subject=sign.get("subject", ""), words=words(sign.get("text", "")), **patterns)
