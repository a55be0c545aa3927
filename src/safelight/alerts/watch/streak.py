"""`3 failures in a row`: how the last runs of each place ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ...query.sql import Span, Sql
from ..condition import Streak
from ..evaluate import JUDGED
from ..judged import Holding
from ..rule import Rule
from . import LABELS_MAX, SECOND, Fetched, Key, Labels, Look, Row, Watch, labels_of
from .columns import COUNTED_RUNS, FAILURES, Asked, every, key_of, label_names, labelled, of

REACH: Final = timedelta(days=7)
"""A failure longer ago is no part of a row."""


@dataclass(slots=True)
class _Row:
    failures: int
    at: int


class InARow(Watch):
    """Looked at once a second, so that the third failure is known within a second. What comes out of order, older than
    the last run that was seen of the place, changes nothing."""

    order = (0, 5)

    def __init__(self, rule: Rule, condition: Streak) -> None:
        super().__init__(rule, SECOND)
        self.condition = condition
        self._names = label_names(condition.by)
        self._rows: dict[Key, _Row] = {}

    @property
    def horizon(self) -> timedelta:
        """A week."""
        return REACH

    def asked(self, now: datetime, width: int) -> Asked:
        """Runs that ended, one by one; `y` is whether they went wrong."""
        wrong = Sql(f"CASE WHEN {FAILURES.text} THEN 1 ELSE 0 END")
        return Asked(self._runs(now), key=key_of(self.condition.by), y=wrong)

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Count, or begin anew."""
        for time, key, _, _, wrong, _ in rows:
            known = self._rows.get(key)
            if known is None and not wrong:
                continue
            if known is None:
                if len(self._rows) >= LABELS_MAX:
                    self.crowded = True
                    continue
                known = self._rows[key] = _Row(0, time)
            if time < known.at:
                continue
            if wrong:
                known.failures, known.at = known.failures + 1, time
            else:
                known.failures, known.at = 0, time
        reach = tick - REACH // timedelta(microseconds=1)
        for key in [key for key, row in self._rows.items() if row.at < reach]:
            del self._rows[key]

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """The rows that are long enough."""
        long = ((key, row) for key, row in self._rows.items() if row.failures >= self.condition.length)
        return Look(tuple(Holding(labels_of(self._names, key), row.failures, float(row.failures)) for key, row in long))

    def changes(self) -> int | None:
        """When a row is forgotten."""
        at = min((row.at for row in self._rows.values() if row.failures >= self.condition.length), default=None)
        return None if at is None else at + REACH // timedelta(microseconds=1) + 1

    def examples(self, labels: Mapping[str, str], tick: datetime) -> Fetched | None:
        """The last failures."""
        wanted = every(JUDGED, self._runs(tick), FAILURES, labelled(self.condition.by, labels))
        return wanted, Span(start=tick - REACH, end=tick)

    def _runs(self, now: datetime) -> Sql:
        return every(COUNTED_RUNS, of(self.condition.filter, now))
