"""The conditions on one field that Arrow answers exactly as DuckDB does, as functions over a table.

Both search with RE2, so words in any case and wildcards are the same expressions here and there. Left to DuckDB are
numbers in text, paths into `attributes`, and people's own regular expressions, which are checked by its RE2 too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache, partial, reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from . import times
from .ast import All, Compare, Exists, Filter, Match, Pattern, Range, Text, Wild, Wildcard
from .fields import TEXTS, Column, Kind, of_events
from .predicate import FLAGS, escaped, levels, loose, number, quantity

Test = Callable[[pa.Table, datetime], pa.BooleanArray]
"""Which rows of a table in one piece; without nulls. The moment is what `now` means."""

_ORDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": pc.equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
    "<": pc.less,
    "<=": pc.less_equal,
}
# Scalars of a given type: without one, Arrow looks for numpy each time, 40 us long.
YES: Final = pa.scalar(True, pa.bool_())  # noqa: FBT003
NO: Final = pa.scalar(False, pa.bool_())  # noqa: FBT003
_MOMENT: Final = pa.timestamp("us", tz="UTC")


def constant(table: pa.Table, *, value: bool) -> pa.BooleanArray:
    """The same answer for every row."""
    return pa.repeat(YES if value else NO, len(table))


@lru_cache(maxsize=1_000)
def kernel(leaf: Filter) -> Test | None:
    """One condition without And, Or and Not; None when it is not for Arrow."""
    match leaf:
        case All():
            return lambda table, _now: constant(table, value=True)
        case Text(value):
            return _anywhere(_containing(value))
        case Wildcard(None, pattern):
            return _anywhere(_found(loose(pattern)))
        case Wildcard(str() as field, pattern):
            return _fits(of_events(field), pattern)
        case Match(field, value):
            return _match(of_events(field), value)
        case Compare(field, op, value):
            return _compare(of_events(field), op, value)
        case Range(field):
            return _range(of_events(field), leaf)
        case Exists(field):
            return _exists(of_events(field))
    return None


def _over(column: Column, kernel: Callable[[Any], Any]) -> Test:
    """A kernel over one column; where that has nothing, it finds nothing."""
    return lambda table, _now: _known(table, column.name, kernel)


def _known(table: pa.Table, name: str, kernel: Callable[[Any], Any]) -> pa.BooleanArray:
    values = table[name].chunk(0)
    if values.null_count == len(values):
        return constant(table, value=False)
    found = kernel(values)
    return pc.fill_null(found, NO) if found.null_count else found


def _anywhere(kernel: Callable[[Any], Any] | None) -> Test | None:
    if kernel is None:
        return None
    return lambda table, _now: reduce(pc.or_, (_known(table, name, kernel) for name in TEXTS))


def _containing(value: str) -> Callable[[Any], Any] | None:
    """As the store does: text with cases by an expression in any case, other text as it is."""
    if value.lower() == value.upper():
        return lambda texts: pc.match_substring(texts, value)
    return _found("(?i)" + escaped(value))


def _found(expression: str) -> Callable[[Any], Any] | None:
    """Texts in which RE2 finds the expression; None for one that is too large for it."""
    try:
        pc.match_substring_regex(pa.array([""]), expression)
    except pa.ArrowInvalid:
        return None
    return lambda texts: pc.match_substring_regex(texts, expression)


def _fits(column: Column, pattern: Pattern) -> Test | None:
    if column.kind is Kind.ATTRIBUTE:
        return None
    if column.kind in {Kind.PROSE, Kind.PROBLEM}:
        found = _found(loose(pattern))
        return found and _over(column, found)
    if column.kind is Kind.LEVEL:
        pattern = tuple(piece if isinstance(piece, Wild) else piece.upper() for piece in pattern)
    match pattern:
        case (Wild.MANY,):
            return _exists(column)
        case (str() as prefix, Wild.MANY):
            return _over(column, lambda texts: pc.starts_with(texts, prefix))
    spelled = {Wild.MANY: ".*", Wild.ONE: "."}
    pieces = (spelled[piece] if isinstance(piece, Wild) else escaped(piece) for piece in pattern)
    found = _found(rf"(?s)\A{''.join(pieces)}\z")
    return found and _over(column, found)


def _exists(column: Column) -> Test | None:
    if column.kind is Kind.ATTRIBUTE:
        return None
    return lambda table, _now: pc.is_valid(table[column.name].chunk(0))


def _match(column: Column, value: str) -> Test | None:
    if column.kind is Kind.PROSE or (column.kind is Kind.PROBLEM and value.lower() not in FLAGS):
        found = _containing(value)
        return found and _over(column, found)
    return _compare(column, "=", value)


def _compare(column: Column, op: str, value: str) -> Test | None:
    match column.kind:
        case Kind.ATTRIBUTE:
            return None
        case Kind.TIME:
            return lambda table, now: _between(table, column.name, *times.bounds(op, value, now))
        case Kind.NUMBER:
            return _figures(column, op, quantity(column, value))
        case Kind.LEVEL:
            chosen = pa.array(levels(op, value), pa.string())
            return _over(column, lambda texts: pc.is_in(texts, chosen))
        case Kind.PROBLEM if op == "=" and value.lower() in FLAGS:
            holds = pc.is_valid if value.lower() == "true" else pc.is_null
            return lambda table, _now: holds(table[column.name].chunk(0))
    return _text(column, op, value) if op == "=" or number(value) is None else None


def _text(column: Column, op: str, value: str) -> Test:
    compared, bound = _ORDER[op], pa.scalar(value, pa.string())
    return _over(column, lambda texts: compared(texts, bound))


def _figures(column: Column, op: str, bound: float) -> Test:
    """NaN is the greatest number, as in SQL; in Arrow it compares with none."""
    compared, figure = _ORDER[op], pa.scalar(bound, pa.float64())
    if op in {">", ">="}:
        return _over(column, lambda figures: pc.or_(compared(figures, figure), pc.is_nan(figures)))
    return _over(column, lambda figures: compared(figures, figure))


def _between(table: pa.Table, name: str, start: datetime | None, end: datetime | None) -> pa.BooleanArray:
    answer = pc.is_valid(table[name].chunk(0))
    for compared, moment in ((pc.less_equal, start), (pc.greater, end)):
        if moment is not None:  # the bound comes first
            bound = pa.scalar(moment, _MOMENT)
            answer = pc.and_(answer, _known(table, name, partial(compared, bound)))
    return answer


def _range(column: Column, asked: Range) -> Test | None:
    ops = (">=" if asked.with_low else ">"), ("<=" if asked.with_high else "<")
    given = [(op, bound) for op, bound in zip(ops, (asked.low, asked.high), strict=True) if bound is not None]
    if not given or column.kind is Kind.ATTRIBUTE:
        return _exists(column)
    as_text = column.kind not in {Kind.TIME, Kind.NUMBER, Kind.LEVEL} and None in [number(bound) for _, bound in given]
    tests = [_text(column, op, bound) if as_text else _compare(column, op, bound) for op, bound in given]
    if None in tests:
        return None
    return lambda table, now: reduce(pc.and_, (test(table, now) for test in tests if test))
