"""`| stats ... | where ... | sort ... | limit ...` as one SELECT over the relation `events`.

Rows without a `sort` come in the order of their keys; with one, equal rows do. Never more than MAX_ROWS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..errors import QueryError
from ..event import LEVELS
from . import dialect, times
from .ast import Aggregate, Key, Query, Sort, Stats
from .fields import Column, Kind, of_events
from .predicate import number, where
from .sql import Sql

MAX_ROWS: Final = 10_000
"""What `| limit` may ask for, what a statistic gives at most, and what a page of events holds."""

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,6})?|100)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Function:
    """`spelling` takes the field's expression. `numeric`: the field is read as a number, and so is the answer."""

    spelling: Callable[[str], str]
    numeric: bool = False
    counts: bool = False


def _call(function: str) -> Callable[[str], str]:
    return lambda value: f"{function}({value})"


def _distinct(value: str) -> str:
    return f"count(DISTINCT {value})"


FUNCTIONS: Final = {
    "count": _Function(_call("count"), counts=True),
    "dc": _Function(_distinct, counts=True),
    "count_distinct": _Function(_distinct, counts=True),
    "sum": _Function(_call("sum"), numeric=True),
    "avg": _Function(_call("avg"), numeric=True),
    "mean": _Function(_call("avg"), numeric=True),
    "median": _Function(_call("median"), numeric=True),
    "min": _Function(_call("min")),
    "max": _Function(_call("max")),
    "first": _Function(dialect.earliest),
    "last": _Function(dialect.latest),
}
"""The functions of `| stats`. `p0` to `p100`, as `p95` and `p99.9`, are there as well."""


def select_stats(query: Query, now: datetime) -> Sql:
    """The rows of a query with `| stats`, over `events`. Raises QueryError when a field does not fit its function."""
    if query.stats is None:
        raise ValueError("no stats in " + str(query))
    outputs = columns_of(query.stats)
    keys = [key_column(key) for key in query.stats.keys]
    inner = [*keys, *(aggregate_column(function) for function in query.stats.functions)]
    chosen = ", ".join(f"{column.sql.text} AS {dialect.name(column.name)}" for column in inner)
    parameters = [value for column in inner for value in column.sql.parameters]
    condition = where(query.filter, now)
    clauses = ["SELECT * FROM (SELECT", chosen, 'FROM "events" WHERE', condition.text]
    parameters += condition.parameters
    if keys:
        clauses += ["GROUP BY", ", ".join(str(place) for place in range(1, len(keys) + 1))]
    clauses.append(")")
    if query.having is not None:
        condition = where(query.having, now, of_outputs(outputs))
        clauses += ["WHERE", condition.text]
        parameters += condition.parameters
    order = {resolve(outputs, key): "DESC" if key.descending else "ASC" for key in query.sort}
    order |= {column.name: "ASC" for column in keys if column.name not in order}
    if order:
        clauses += ["ORDER BY", ", ".join(f"{dialect.name(name)} {way} NULLS LAST" for name, way in order.items())]
    clauses.append(f"LIMIT {query.limit or MAX_ROWS:d}")
    return Sql(" ".join(clauses), tuple(parameters))


def columns_of(stats: Stats) -> dict[str, Column]:
    """The columns that a statistic has, by name, keys first, as a later pipe sees them.

    Raises QueryError when two have one name (DuckDB takes `A` and `a` for the same).
    """
    outputs: dict[str, Column] = {}
    for column in (*map(key_column, stats.keys), *map(aggregate_column, stats.functions)):
        if any(column.name.casefold() == name.casefold() for name in outputs):
            raise QueryError("query.two_columns", name=column.name)
        kind = Kind.KEYWORD if column.kind in (Kind.ATTRIBUTE, Kind.PROBLEM) else column.kind
        outputs[column.name] = Column(column.name, Sql(dialect.name(column.name)), kind)
    return outputs


def of_outputs(outputs: dict[str, Column]) -> Callable[[str], Column]:
    """How `| where` behind a statistic finds its columns."""

    def find(name: str) -> Column:
        return outputs[resolve(outputs, Sort(name))]

    return find


def resolve(outputs: dict[str, Column], key: Sort) -> str:
    """The column that `| sort` means: its name, or a beginning that only one has, as `avg` for `avg_duration_ms`.

    Raises QueryError when there is none or more than one.
    """
    if key.name in outputs:
        return key.name
    found = [name for name in outputs if name.startswith(key.name + "_")] or [
        name for name in outputs if name.startswith(key.name)
    ]
    if len(found) == 1:
        return found[0]
    wrong = "query.sort_ambiguous" if found else "query.sort_unknown"
    raise QueryError(wrong, name=key.name, columns=", ".join(found or outputs))


def aggregate_column(asked: Aggregate) -> Column:
    """One function of `| stats`. Raises QueryError."""
    name = asked.function
    if name not in FUNCTIONS and not _PERCENTILE.fullmatch(name):
        raise QueryError("query.function", found=name, functions=", ".join([*FUNCTIONS, "p95"]))
    if asked.field is None:
        if name != "count":
            raise QueryError("query.function_field", function=name)
        return Column(asked.name, Sql("count(*)"), Kind.NUMBER)
    column = of_events(asked.field)
    if found := _PERCENTILE.fullmatch(name):
        share = f"{float(found[1]) / 100:.8f}".rstrip("0").rstrip(".") or "0"
        return _of_numbers(asked, column, lambda value: dialect.quantile(value, share))
    function = FUNCTIONS[name]
    # The least of several attributes is the least number: as text, 9 would be more than 30.
    if function.numeric or (name in ("min", "max") and column.kind is Kind.ATTRIBUTE):
        return _of_numbers(asked, column, function.spelling)
    if name in ("min", "max") and column.kind is Kind.LEVEL:
        return Column(asked.name, Sql(dialect.ranked(name, column.sql.text, LEVELS)), Kind.LEVEL)
    kind = Kind.NUMBER if function.counts else Kind.KEYWORD if column.kind is Kind.PROSE else column.kind
    return Column(asked.name, Sql(function.spelling(column.sql.text), column.sql.parameters), kind)


def _of_numbers(asked: Aggregate, column: Column, spelling: Callable[[str], str]) -> Column:
    if column.kind is Kind.TIME:
        raise QueryError("query.function_number", function=asked.function, field=column.name)
    text = column.sql.text if column.kind is Kind.NUMBER else dialect.number(column.sql.text)
    return Column(asked.name, Sql(spelling(text), column.sql.parameters), Kind.NUMBER)


def key_column(key: Key) -> Column:
    """One key of `| stats ... by`. Raises QueryError."""
    column = of_events(key.field)
    if key.width is None:
        return Column(key.name, column.sql, column.kind)
    if column.kind is Kind.TIME:
        width = times.duration(key.width) // timedelta(microseconds=1)
        if not width:
            raise QueryError("query.duration", found=key.width)
        return Column(key.name, Sql(dialect.time_bin(column.sql.text, width), column.sql.parameters), Kind.TIME)
    step = number(key.width)
    if step is None or not 1e-9 <= step <= 1e15:
        raise QueryError("query.bin_width", field=column.name, found=key.width)
    text = column.sql.text if column.kind is Kind.NUMBER else dialect.number(column.sql.text)
    return Column(key.name, Sql(dialect.number_bin(text, repr(step)), column.sql.parameters), Kind.NUMBER)
