"""How many events of each level over time: `/events/histogram`.

Steps are round numbers and bins are counted from 1970, so that a chart drawn again a second later has the same bins;
the first and the last may reach over the asked time, whose events alone are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..errors import QueryError
from . import dialect
from .ast import Filter
from .predicate import where
from .sql import Sql

MAX_BUCKETS: Final = 1_000
NO_LEVEL: Final = "none"
"""Under this name an event without a level is counted."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86_400_000
_STEPS_MS: Final = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500),
    *(second * 1_000 for second in (1, 2, 5, 10, 15, 30)),
    *(minute * 60_000 for minute in (1, 2, 5, 10, 15, 30)),
    *(hour * 3_600_000 for hour in (1, 2, 3, 6, 12)),
    *(day * _DAY for day in (1, 2, 7, 14, 28)),
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The events from `at` to `at` + step, counted by level."""

    at: datetime
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Histogram:
    """What to run, and how its rows become buckets."""

    sql: Sql
    first: int
    count: int
    step_ms: int

    def buckets(self, rows: Iterable[Mapping[str, Any]]) -> list[Bucket]:
        """Every bucket in order, the empty ones too, from the rows of `sql` (`bucket`, `level`, `count`)."""
        step = timedelta(milliseconds=self.step_ms)
        filled = [Bucket(_EPOCH + (self.first + place) * step, {}) for place in range(self.count)]
        for row in rows:
            filled[row["bucket"] - self.first].counts[row["level"] or NO_LEVEL] = row["count"]
        return filled


def histogram(condition: Filter, start: datetime, end: datetime, now: datetime, buckets: int = 60) -> Histogram:
    """Count the events of `condition` with `start <= timestamp < end`, in at most `buckets` steps and one.

    Raises QueryError when the time is empty.
    """
    if end <= start:
        raise QueryError("query.empty_time", start=f"{start:%Y-%m-%dT%H:%M:%SZ}", end=f"{end:%Y-%m-%dT%H:%M:%SZ}")
    wanted = max(1, min(buckets, MAX_BUCKETS))
    first_us, last_us = _microseconds(start), _microseconds(end) - 1
    steps = (*_STEPS_MS, *(28 * _DAY * years for years in range(13, 400 * 13, 13)))
    for step_ms in steps:
        width = step_ms * 1_000
        first, last = first_us // width, last_us // width
        if last - first <= wanted:
            break
    filtered = where(condition, now)
    text = (
        f'SELECT {dialect.bin_number(dialect.name("timestamp"), width)} AS "bucket", "level", count(*) AS "count"',
        f'FROM "events" WHERE "timestamp" >= ? AND "timestamp" < ? AND {filtered.text}',
        "GROUP BY 1, 2 ORDER BY 1, 2",
    )
    return Histogram(Sql(" ".join(text), (start, end, *filtered.parameters)), first, last - first + 1, step_ms)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
