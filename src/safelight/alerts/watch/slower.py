"""`duration_ms by node 2x its usual over 1h`: the mean of a window against the mean of the 7 days before it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ...event import Name
from ...query.sql import Span, Sql
from ..condition import Slower
from ..evaluate import JUDGED
from ..judged import Holding
from ..rule import Rule
from . import DAY, HOUR, Fetched, Key, Labels, Look, Row, Watch, labels_of, us
from .columns import (
    COUNTED,
    NONE,
    Asked,
    bucket,
    every,
    key_of,
    label_names,
    labelled,
    named,
    number_of,
    of,
    summed,
    there,
)
from .sliding import Sliding, grain_of, period_of

USUAL: Final = 7 * DAY
OF_OTHERS: Final = named(Name.RUN_FINISHED, Name.RUN_FAILED, Name.RUN_INTERRUPTED, Name.RUN_LOST, Name.MODEL_LOADED)
"""Times that are not the time of the node that their event names."""


class Slowing(Watch):
    """Two stretches that end at the same tick: the window, and with it the 7 days before, cut into hours. What is usual
    is the second less the first."""

    def __init__(self, rule: Rule, condition: Slower) -> None:
        self.over = us(condition.over)
        super().__init__(rule, period_of(self.over))
        self.condition = condition
        self._names = label_names(condition.by)
        self._recent = Sliding(self.over, grain_of(self.over))
        self._whole = Sliding(self.over + USUAL, max(HOUR, grain_of(self.over)))
        self._holding: dict[Key, Holding] = {}

    @property
    def horizon(self) -> timedelta:
        """The window and the days before it."""
        return self.condition.over + timedelta(days=7, microseconds=self._whole.grain)

    def pieces(self, start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime, int]]:
        """The days before by the hour."""
        late = end - self.condition.over - timedelta(hours=2)
        if start < late:
            yield start, late, HOUR
        yield max(start, late), end, self.period

    def asked(self, now: datetime, width: int) -> Asked:
        """Values, counted and added up."""
        number = number_of(self.condition.field)
        wanted = every(there(number), of(self.condition.filter, now), self._own())
        key = key_of(self.condition.by)
        return Asked(wanted, bucket(width), key, COUNTED, y=summed(number), z=NONE, grouped=True)

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Into both stretches."""
        for time, key, n, _, y, _ in rows:
            self._recent.add(time, key, n, y or 0)
            self._whole.add(time, key, n, y or 0)
        self._recent.move(tick)
        self._whole.move(tick)

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Judge the label sets whose sums have changed."""
        self.crowded = self._whole.crowded
        for key in self._recent.touched | self._whole.touched:
            holding = self._judge(key)
            if holding is None:
                self._holding.pop(key, None)
            else:
                self._holding[key] = holding
        self._recent.touched.clear()
        self._whole.touched.clear()
        return Look(tuple(self._holding.values()))

    def changes(self) -> int | None:
        """When something leaves the window."""
        times = [time for time in (self._recent.leaves(), self._whole.leaves()) if time is not None]
        return min(times, default=None)

    def examples(self, labels: Mapping[str, str], tick: datetime) -> Fetched | None:
        """Values of the window."""
        number = number_of(self.condition.field)
        values = every(there(number), of(self.condition.filter, tick), self._own())
        wanted = every(JUDGED, values, labelled(self.condition.by, labels))
        return wanted, Span(start=tick - self.condition.over, end=tick)

    def _own(self) -> Sql:
        return Sql(f"event IS NULL OR NOT {OF_OTHERS.text}") if "node" in self._names else Sql("TRUE")

    def _judge(self, key: Key) -> Holding | None:
        recent, whole = self._recent.sums.get(key), self._whole.sums.get(key)
        if recent is None or whole is None:
            return None
        count, least = whole.n - recent.n, self.condition.least
        usual = whole.y - recent.y
        if recent.n < least or count < max(1, least) or usual <= 0:
            return None
        times = (recent.y / recent.n) / (usual / count)
        return Holding(labels_of(self._names, key), recent.n, times) if times >= self.condition.factor else None
