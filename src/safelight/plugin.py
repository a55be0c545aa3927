"""A plugin is a class whose fields are its configuration. The file it lives in is its registration.

A room of plugins is a package whose `__init__` defines the base class (`class Channel(Plugin)`); each module beside it
defines one subclass with `type: Literal["<file name>"]`. Installed packages add theirs through an entry point group of
the room's name, such as `safelight.channels`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict


class Plugin(BaseModel):
    """Base of every source, processor, channel: frozen, and refusing fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    example: ClassVar[dict[str, Any]] = {}
    """A configuration that works, without `type`: shown in the reference and used by the law tests."""

    @classmethod
    def kind(cls) -> str:
        """Its `type`, which is also the name of its file."""
        return str(cls.model_fields["type"].default)


P = TypeVar("P", bound=Plugin)
_FILE_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def kind(base: type[P], name: str) -> type[P] | None:
    """The plugin of this base and `type`, from its own file and nothing else: ten sinks take 30 MB that one does not.

    None when there is no such plugin.
    """
    room = importlib.import_module(base.__module__)
    module = f"{room.__name__}.{name}"
    if _FILE_NAME.fullmatch(name) and importlib.util.find_spec(module) is not None:
        importlib.import_module(module)
        return next((cls for cls in _below(base) if cls.__module__.startswith(module) and _type(cls) == name), None)
    installed = (entry.load() for entry in entry_points(group=room.__name__))
    return next((cls for cls in installed if _type(cls) == name), None)


def kinds(base: type[P]) -> dict[str, type[P]]:
    """Every plugin of this base by its `type`: the files beside it, then installed entry points."""
    room = importlib.import_module(base.__module__)
    for module in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        importlib.import_module(module.name)
    here = {
        cls for cls in _below(base) if cls.__module__.startswith(f"{room.__name__}.") and "type" in cls.model_fields
    }
    installed = {entry.load() for entry in entry_points(group=room.__name__)}
    return {cls.kind(): cls for cls in sorted(here | installed, key=lambda cls: cls.__name__)}


def _type(cls: type[Plugin]) -> str | None:
    return cls.kind() if "type" in cls.model_fields else None


def _below(base: type[P]) -> Iterator[type[P]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _below(cls)
