"""Notes on queries that are right and ask for a field that nobody has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, Final

from ..errors import QueryError
from ..locales import text
from .told import Mistake

_CONDITIONS: Final = ("when", "clear", "where")
"""Keys of rules, processors and sinks that hold a condition, read or as text."""


def notes(entry: Any, language: str) -> Iterator[Mistake]:
    """On the conditions of one entry: a field that is very like one that there is."""
    for key in _CONDITIONS:
        condition = getattr(entry, key, None)
        if condition is None:
            continue
        from ..query.mistyped import meant  # noqa: PLC0415 - most agents have no condition

        for name in dict.fromkeys(_named(condition)):
            if known := meant(name):
                yield Mistake((key,), text("config.mistyped", language, name=name, known=known))


def _named(condition: Any) -> Iterator[str]:
    """The fields that a condition names: in its filters, in what it counts, and in what it tells apart by."""
    from ..query.ast import Filter  # noqa: PLC0415
    from ..query.mistyped import fields_of  # noqa: PLC0415

    if isinstance(condition, str):
        from ..query.condition import condition as read  # noqa: PLC0415

        with suppress(QueryError):  # of a plugin that means something else by such a key
            yield from fields_of(read(condition))
    elif isinstance(condition, Filter):
        yield from fields_of(condition)
    elif is_dataclass(condition):
        for part in fields(condition):
            value = getattr(condition, part.name)
            if part.name == "field":
                yield value
            elif part.name == "by":
                yield from value
            elif isinstance(value, Filter):
                yield from fields_of(value)
