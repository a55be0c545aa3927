"""What a query means, as a tree. Every node prints itself: `parse(str(q)) == q`.

A filter is All, Text, Match, Wildcard, Regex, Compare, Range or Exists, joined by And, Or and Not; a Query is a filter
with what its pipes ask for. Names of fields are kept as they were written, values as their text: `fields` knows what
they mean, and `times` what `now-1h` is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

OPERATORS: Final = frozenset({"and", "or", "not", "to"})
PIPE_WORDS: Final = frozenset({"by", "as", "asc", "desc"})

_BARE: Final = re.compile(r"[A-Za-z0-9_\u4e00-\u9fff][A-Za-z0-9_.\u4e00-\u9fff-]*|-[0-9]+(\.[0-9]+)?")
_SLASH: Final = re.compile(r"\\.|/", re.DOTALL)
_SPECIAL: Final = re.compile(r'([\\\s()\[\]{}":<>=|&!*?/+\-“”：])')


class Wild(Enum):
    """What stands for other characters in a pattern."""

    MANY = "*"
    ONE = "?"


Pattern = tuple[str | Wild, ...]
"""Literal pieces and wildcards in turn. No two pieces and no two MANY are neighbours."""


def quoted(value: str) -> str:
    """`value` in double quotes."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value(value: str) -> str:
    """`value` as it is written behind a colon: bare where that is unmistakable."""
    plain = _BARE.fullmatch(value) and value.lower() not in OPERATORS | PIPE_WORDS
    return value if plain else quoted(value)


def _word(value: str) -> str:
    """The same where a leading minus would mean NOT."""
    return quoted(value) if value.startswith("-") else _value(value)


def _at(field: str | None) -> str:
    return "" if field is None else f"{_word(field)}:"


class Filter:
    """A condition on one event."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class All(Filter):
    """Every event."""

    def __str__(self) -> str:
        return "*"


@dataclass(frozen=True, slots=True)
class Text(Filter):
    """A bare word or quoted phrase: the event's texts contain it, in any case."""

    value: str

    def __str__(self) -> str:
        return _word(self.value)


@dataclass(frozen=True, slots=True)
class Match(Filter):
    """`field:value`."""

    field: str
    value: str

    def __str__(self) -> str:
        return _at(self.field) + _value(self.value)


@dataclass(frozen=True, slots=True)
class Wildcard(Filter):
    """`field:pre*`, or `pre*` over the event's texts."""

    field: str | None
    pattern: Pattern

    def __str__(self) -> str:
        pieces = (p.value if isinstance(p, Wild) else _SPECIAL.sub(r"\\\1", p) for p in self.pattern)
        return _at(self.field) + "".join(pieces)


@dataclass(frozen=True, slots=True)
class Regex(Filter):
    """`field:/regex/`, or `/regex/` over the event's texts. RE2, found anywhere, case counts."""

    field: str | None
    pattern: str

    def __str__(self) -> str:
        return (
            _at(self.field) + "/" + _SLASH.sub(lambda found: found[0] if found[0] != "/" else "\\/", self.pattern) + "/"
        )


@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """`field >= value`; `op` is one of `= > >= < <=`."""

    field: str
    op: str
    value: str

    def __str__(self) -> str:
        return f"{_word(self.field)} {self.op} {_value(self.value)}"


@dataclass(frozen=True, slots=True)
class Range(Filter):
    """`field:[low TO high]`; None is open, a brace in place of a bracket leaves its bound out."""

    field: str
    low: str | None
    high: str | None
    with_low: bool = True
    with_high: bool = True

    def __str__(self) -> str:
        low, high = ("*" if bound is None else _value(bound) for bound in (self.low, self.high))
        return f"{_at(self.field)}{'[' if self.with_low else '{'}{low} TO {high}{']' if self.with_high else '}'}"


@dataclass(frozen=True, slots=True)
class Exists(Filter):
    """`field:*`."""

    field: str

    def __str__(self) -> str:
        return f"{_at(self.field)}*"


def _operand(item: Filter) -> str:
    return f"({item})" if isinstance(item, And | Or) else str(item)


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """The events for which `item` does not hold, those that lack its field among them."""

    item: Filter

    def __str__(self) -> str:
        return f"NOT {_operand(self.item)}"


@dataclass(frozen=True, slots=True)
class And(Filter):
    """Two or more conditions that all hold."""

    items: tuple[Filter, ...]

    def __str__(self) -> str:
        return " AND ".join(map(_operand, self.items))


@dataclass(frozen=True, slots=True)
class Or(Filter):
    """Two or more conditions of which one holds."""

    items: tuple[Filter, ...]

    def __str__(self) -> str:
        return " OR ".join(map(_operand, self.items))


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One function of `| stats`; `field` is None for `count()` only. A percentile is the function `p95`."""

    function: str
    field: str | None = None
    alias: str | None = None

    @property
    def name(self) -> str:
        """The name of its column: `as NAME`, or `count`, or `avg_duration_ms`."""
        return self.alias or (self.function if self.field is None else f"{self.function}_{self.field}")

    def __str__(self) -> str:
        call = f"{self.function}({'' if self.field is None else _word(self.field)})"
        return call if self.alias is None else f"{call} as {_word(self.alias)}"


@dataclass(frozen=True, slots=True)
class Key:
    """What `| stats` groups by: a field, or `bin(field, width)`."""

    field: str
    width: str | None = None
    alias: str | None = None

    @property
    def name(self) -> str:
        """The name of its column."""
        return self.alias or self.field

    def __str__(self) -> str:
        key = _word(self.field) if self.width is None else f"bin({_word(self.field)}, {_word(self.width)})"
        return key if self.alias is None else f"{key} as {_word(self.alias)}"


@dataclass(frozen=True, slots=True)
class Stats:
    """`| stats functions by keys`."""

    functions: tuple[Aggregate, ...]
    keys: tuple[Key, ...] = ()

    def __str__(self) -> str:
        functions = ", ".join(map(str, self.functions))
        return f"stats {functions}" + (" by " + ", ".join(map(str, self.keys)) if self.keys else "")


@dataclass(frozen=True, slots=True)
class Sort:
    """One column of `| sort`."""

    name: str
    descending: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.descending else ''}{_word(self.name)}"


@dataclass(frozen=True, slots=True)
class Query:
    """A filter and its pipes. `having` and `sort` speak of the columns of `stats`, and are empty without it."""

    filter: Filter
    stats: Stats | None = None
    having: Filter | None = None
    sort: tuple[Sort, ...] = ()
    limit: int | None = None

    def __str__(self) -> str:
        pipes = [str(self.filter)]
        if self.stats is not None:
            pipes.append(str(self.stats))
        if self.having is not None:
            pipes.append(f"where {self.having}")
        if self.sort:
            pipes.append("sort " + ", ".join(map(str, self.sort)))
        if self.limit is not None:
            pipes.append(f"limit {self.limit}")
        return " | ".join(pipes)


def leaves(condition: Filter) -> Iterator[Filter]:
    """What it is made of, in its order: everything but AND, OR and NOT."""
    match condition:
        case And(items) | Or(items):
            for item in items:
                yield from leaves(item)
        case Not(item):
            yield from leaves(item)
        case _:
            yield condition
