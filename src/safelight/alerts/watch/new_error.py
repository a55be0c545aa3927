"""`new error group`: an error of a kind that was not seen before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ...query.sql import Sql
from ..condition import NewError
from ..rule import Rule
from . import DAY, HOUR, Key, Labels, Look, Row, Watch, labels_of, us
from .columns import COUNTED, Asked, bucket, every, key_of, of

GROUPS_MAX: Final = 100_000
"""Groups that a rule remembers; beyond it nothing is called new any more."""
_LABELS: Final = ("error_group", "service", "instance", "node")


class NewGroup(Watch):
    """Remembers when each group was last seen. A hit has the labels of the first event."""

    order = (0, 5)

    def __init__(self, rule: Rule, condition: NewError) -> None:
        super().__init__(rule)
        self.condition = condition
        self._within = us(condition.within)
        self._known: dict[str | None, int] = {}
        self._forgotten = 0

    @property
    def horizon(self) -> timedelta:
        """As long as a group stays known."""
        return self.condition.within

    def pieces(self, start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime, int]]:
        """By the hour where it is long ago."""
        late = end - timedelta(hours=2)
        if start < late:
            yield start, late, HOUR
        yield max(start, late), end, self.period

    def asked(self, now: datetime, width: int) -> Asked:
        """Groups in each stretch; `x` is the time of the last event, in microseconds."""
        return Asked(
            every(Sql("error_group IS NOT NULL"), of(self.condition.filter, now)),
            bucket(width),
            key_of(_LABELS),
            COUNTED,
            y=Sql("epoch_us(max(timestamp))"),
            x=Sql("epoch_us(min(timestamp))"),
            z=Sql("min(seq)"),
            grouped=True,
        )

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """What is unknown is new."""
        new: dict[str | None, tuple[Key, int, int, int, int]] = {}
        for time, key, count, first, last, seq in rows:
            began, until = int(first or time), last or time
            seen = self._known.get(key[0])
            if seen is None and len(self._known) >= GROUPS_MAX:
                self.crowded = True
                continue
            self._known[key[0]] = max(until, seen or 0)
            if key[0] in new:
                of, counted, one, other, at = new[key[0]]
                new[key[0]] = of, counted + count, min(one, began), max(other, until), at
            elif seen is None or began - seen > self._within:
                new[key[0]] = key, count, began, until, seq
        for key, count, began, until, seq in new.values():
            self.hit(tick, labels_of(_LABELS, key), began, until, seq, count=count)
        if tick - self._forgotten > DAY:
            self._forgotten = tick
            for group in [group for group, seen in self._known.items() if seen < tick - self._within - DAY]:
                del self._known[group]

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Hits only."""
        return Look()

    def changes(self) -> int | None:
        """Nothing happens by itself."""
        return None
