"""A filter as a boolean SQL expression. Values are parameters, never text.

A condition on a field that an event lacks does not hold, so its negation does: `NOT level:ERROR` finds events without
a level. Everything below NOT may be unknown (null), which reads as false in AND and OR; NOT itself is never unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from ..errors import QueryError
from ..event import LEVELS, level_of
from . import dialect, times
from .ast import All, And, Compare, Exists, Filter, Match, Not, Or, Pattern, Range, Regex, Text, Wild, Wildcard
from .fields import TEXTS, Column, Columns, Kind, of_events
from .regex import check
from .sql import Sql

_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_SPECIAL: Final = re.compile(r"([^\w\x80-\U0010ffff])", re.ASCII)
_EXACT: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?", re.ASCII)
FLAGS: Final = ("true", "false")
"""What a field that tells of a problem also answers to."""
_NOTHING: Final = Sql("FALSE")


def where(condition: Filter, now: datetime, columns: Columns = of_events) -> Sql:
    """`condition` over the columns of `events`. Raises QueryError when a value does not fit its field."""
    match condition:
        case All():
            return dialect.TRUE
        case And(items):
            return _joined(" AND ", (where(item, now, columns) for item in items))
        case Or(items):
            return _joined(" OR ", (where(item, now, columns) for item in items))
        case Not(item):
            inner = where(item, now, columns)
            return Sql(dialect.negation(inner.text), inner.parameters)
        case _:
            return _leaf(condition, now, columns)


def number(text: str) -> float | None:
    """The number that `text` is, or None."""
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


def _joined(word: str, parts: Iterable[Sql]) -> Sql:
    parts = tuple(parts)
    if len(parts) == 1:
        return parts[0]
    return Sql(f"({word.join(p.text for p in parts)})", tuple(v for p in parts for v in p.parameters))


def _leaf(leaf: Filter, now: datetime, columns: Columns) -> Sql:
    match leaf:
        case Text(value):
            return _anywhere(columns, lambda column: _containing(column, value))
        case Wildcard(None, pieces):
            return _anywhere(columns, lambda column: _fits(column, pieces))
        case Regex(None, pattern):
            check(pattern)
            return _anywhere(columns, lambda column: _with(dialect.matches, column, pattern))
        case Match(field, value):
            return _match(columns(field), value, now)
        case Wildcard(str() as field, pieces):
            return _fits(_textual(columns(field)), pieces)
        case Regex(str() as field, pattern):
            check(pattern)
            return _with(dialect.matches, _textual(columns(field)), pattern)
        case Compare(field, op, value):
            return _compare(columns(field), op, value, now)
        case Range():
            return _range(columns(leaf.field), leaf, now)
        case Exists(field):
            return _exists(columns(field))
    raise TypeError(leaf)


def _with(spelling: dialect.Spelling, column: Column, value: object) -> Sql:
    return Sql(spelling(column.sql.text), (*column.sql.parameters, value))


def _anywhere(columns: Columns, condition: Callable[[Column], Sql]) -> Sql:
    if columns is not of_events:
        raise QueryError("query.text_after_stats")
    return _joined(" OR ", (condition(columns(text)) for text in TEXTS))


def _containing(column: Column, value: str) -> Sql:
    """In any case; a value without cases, such as Chinese, the cheap way."""
    if value.lower() == value.upper():
        return _with(dialect.contains, column, value)
    return _with(dialect.matches, column, "(?i)" + escaped(value))


def escaped(literal: str) -> str:
    """A regular expression for just this text."""
    return _SPECIAL.sub(r"\\\1", literal)


def loose(pattern: Pattern) -> str:
    """A wildcard pattern as a regular expression: anywhere, in any case, over lines."""
    spelled = {Wild.MANY: ".*", Wild.ONE: "."}
    trimmed = list(pattern)
    while len(trimmed) > 1 and trimmed[0] is Wild.MANY:
        trimmed.pop(0)
    while len(trimmed) > 1 and trimmed[-1] is Wild.MANY:
        trimmed.pop()
    return "(?is)" + "".join(spelled[p] if isinstance(p, Wild) else escaped(p) for p in trimmed)


def _textual(column: Column) -> Column:
    if column.kind in (Kind.NUMBER, Kind.TIME):
        raise QueryError("query.pattern", field=column.name)
    return column


def _fits(column: Column, pattern: Pattern) -> Sql:
    if column.kind in (Kind.PROSE, Kind.PROBLEM):
        return _with(dialect.matches, column, loose(pattern))
    if column.kind is Kind.LEVEL:
        pattern = tuple(p if isinstance(p, Wild) else p.upper() for p in pattern)
    match pattern:
        case (Wild.MANY,):
            return _exists(column)
        case (str() as prefix, Wild.MANY):
            return _with(dialect.starts_with, column, prefix)
    spelled = {Wild.MANY: "%", Wild.ONE: "_"}
    like = (spelled[p] if isinstance(p, Wild) else re.sub(r"([\\%_])", r"\\\1", p) for p in pattern)
    return _with(dialect.like, column, "".join(like))


def _exists(column: Column) -> Sql:
    return Sql(dialect.exists(column.sql.text), column.sql.parameters)


def _match(column: Column, value: str, now: datetime) -> Sql:
    if column.kind is Kind.PROSE or (column.kind is Kind.PROBLEM and value.lower() not in FLAGS):
        return _containing(column, value)
    return _compare(column, "=", value, now)


def _compare(column: Column, op: str, value: str, now: datetime) -> Sql:
    match column.kind:
        case Kind.TIME:
            return _between(column, *times.bounds(op, value, now))
        case Kind.NUMBER:
            return _with(dialect.compared(op), column, quantity(column, value))
        case Kind.LEVEL:
            return _levels(column, op, value)
        case Kind.PROBLEM if op == "=" and value.lower() in FLAGS:
            found = _exists(column)
            return found if value.lower() == "true" else Sql(dialect.negation(found.text), found.parameters)
    figure = number(value)
    # A seed of 64 bits is no double, and 007 is not 7: they are equal as text only.
    if figure is None or (op == "=" and not (column.kind is Kind.ATTRIBUTE and _EXACT.fullmatch(value))):
        return _with(dialect.compared(op), column, value)
    return _with(lambda text: dialect.compared(op)(dialect.number(text)), column, figure)


def quantity(column: Column, value: str) -> float:
    """A number; for a column of milliseconds also a duration, as `30s`."""
    figure = number(value)
    if figure is not None:
        return figure
    if column.name.endswith("_ms"):
        try:
            return times.duration(value) / timedelta(milliseconds=1)
        except QueryError:
            pass
    raise QueryError("query.number", field=column.name, found=value)


def _between(column: Column, start: datetime | None, end: datetime | None) -> Sql:
    given = [(op, moment) for op, moment in ((">=", start), ("<", end)) if moment is not None]
    return _joined(" AND ", (_with(dialect.compared(op), column, moment) for op, moment in given))


def levels(op: str, value: str) -> tuple[str, ...]:
    """Levels have an order, so `level >= warn` is one of a few words. Raises QueryError."""
    level = level_of(value)
    if level is None:
        raise QueryError("query.level", found=value, levels=", ".join(LEVELS))
    place = LEVELS.index(level)
    return {
        "=": (level,),
        ">": LEVELS[place + 1 :],
        ">=": LEVELS[place:],
        "<": LEVELS[:place],
        "<=": LEVELS[: place + 1],
    }[op]


def _levels(column: Column, op: str, value: str) -> Sql:
    chosen = levels(op, value)
    if not chosen:
        return _NOTHING
    marks = ", ".join("?" * len(chosen))
    condition = f"= {marks}" if len(chosen) == 1 else f"IN ({marks})"
    return Sql(f"{column.sql.text} {condition}", (*column.sql.parameters, *chosen))


def _range(column: Column, asked: Range, now: datetime) -> Sql:
    low_op, high_op = (">=" if asked.with_low else ">"), ("<=" if asked.with_high else "<")
    given = [(op, bound) for op, bound in ((low_op, asked.low), (high_op, asked.high)) if bound is not None]
    if not given:
        return _exists(column)
    if column.kind in (Kind.TIME, Kind.NUMBER, Kind.LEVEL) or all(number(bound) is not None for _, bound in given):
        return _joined(" AND ", (_compare(column, op, bound, now) for op, bound in given))
    return _joined(" AND ", (_with(dialect.compared(op), column, bound) for op, bound in given))
