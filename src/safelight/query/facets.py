"""The most frequent values of some fields, and how many events lack the field: `/events/facets`. One pass for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ..errors import QueryTooCostly
from .ast import Filter
from .fields import of_events
from .predicate import where
from .sql import Sql

MAX_FIELDS: Final = 20
MAX_VALUES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Facet:
    """`values` with their counts, the most frequent first, equal ones by name; `missing` events lack the field."""

    field: str
    values: list[tuple[str, int]]
    missing: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What to run, and how its rows become facets."""

    sql: Sql
    fields: tuple[str, ...]

    def facets(self, rows: Iterable[Mapping[str, Any]]) -> list[Facet]:
        """One facet a field, in their order, from the rows of `sql` (`field`, `value`, `count`)."""
        values: list[list[tuple[str, int]]] = [[] for _ in self.fields]
        missing = [0] * len(self.fields)
        for row in rows:
            if row["value"] is None:
                missing[row["field"]] = row["count"]
            else:
                values[row["field"]].append((row["value"], row["count"]))
        return [Facet(*facet) for facet in zip(self.fields, values, missing, strict=True)]


def facets(
    condition: Filter, fields: Sequence[str], start: datetime, end: datetime, now: datetime, limit: int = 10
) -> Facets:
    """Count the values of `fields` among the events of `condition` with `start <= timestamp < end`.

    Raises QueryTooCostly over MAX_FIELDS fields; `limit` is held to MAX_VALUES.
    """
    names = tuple(dict.fromkeys(fields))
    if len(names) > MAX_FIELDS:
        raise QueryTooCostly("query.too_many_facets", limit=MAX_FIELDS)
    columns = [of_events(name).sql for name in names]
    filtered = where(condition, now)
    aliases = [f"f{place}" for place in range(len(names))]
    chosen = ", ".join(f"{column.text} AS {alias}" for column, alias in zip(columns, aliases, strict=True))
    # GROUPING_ID has a 1 for each column that is not in the set, the first column being the highest bit.
    every = (1 << len(names)) - 1
    sets = {alias: every ^ (1 << (len(names) - 1 - place)) for place, alias in enumerate(aliases)}
    field = " ".join(f"WHEN {bits} THEN {place}" for place, bits in enumerate(sets.values()))
    value = ", ".join(f"CAST({alias} AS VARCHAR)" for alias in aliases)
    clauses = (
        "SELECT",
        f"CASE grouping_id({', '.join(aliases)}) {field} END AS field,",
        f"coalesce({value}) AS value, count(*) AS count",
        "FROM (SELECT",
        chosen,
        'FROM "events" WHERE "timestamp" >= ? AND "timestamp" < ? AND',
        f"{filtered.text})",
        f"GROUP BY GROUPING SETS ({', '.join(f'({alias})' for alias in aliases)})",
        "QUALIFY value IS NULL OR row_number() OVER (PARTITION BY field, value IS NULL ORDER BY count(*) DESC, value)",
        f"<= {max(1, min(limit, MAX_VALUES)):d} ORDER BY field, count DESC, value",
    )
    parameters = (value for column in columns for value in column.parameters)
    return Facets(Sql(" ".join(clauses), (*parameters, start, end, *filtered.parameters)), names)
