"""How many events: `more than 5 level:ERROR over 1h`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from ...query.sql import Sql
from ..condition import Count
from ..judged import Holding
from ..rule import Rule
from . import DAY, LABELS_MAX, Key, Labels, Look, Row
from .columns import (
    COUNTED,
    NONE,
    Asked,
    bucket,
    key_of,
    of,
)
from .daily import last_check, next_check
from .sliding import Sum
from .window import Window


class Counting(Window[Count]):
    """How many events. Label sets that were seen once are remembered for as long as the window, at least a day, so that
    "fewer than" finds those that fell silent; without labels there is one set from the beginning."""

    def __init__(self, rule: Rule, condition: Count) -> None:
        super().__init__(rule, condition)
        self._few = condition.op == "<"
        self._remembered = max(self.over, DAY)
        self._seen: dict[Key, int] = {}
        self._checked_at: int | None = None
        self._checking: int | None = None
        self._whole_at: int | None = None
        if self._few and not condition.by:
            self.sliding.touched.add(())

    @property
    def horizon(self) -> timedelta:
        """Long enough to know who fell silent."""
        known = timedelta(microseconds=self._remembered) if self._few and self.condition.by else timedelta()
        return super().horizon + known + (timedelta(days=1) if self.condition.checked else timedelta())

    def due(self) -> int | None:
        """At the next check, where there are checks."""
        if self.condition.checked is None:
            return super().due()
        check = next_check(self.condition.checked, self._checked_at or 0)
        return -(-check // self.period) * self.period

    def asked(self, now: datetime, width: int) -> Asked:
        """Matching events, counted."""
        condition = self.condition
        return Asked(of(condition.filter, now), bucket(width), key_of(condition.by), COUNTED, z=NONE, grouped=True)

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """As every window; and who was seen when."""
        if self._few and self.condition.by:
            for row in rows:
                if row[1] in self._seen or len(self._seen) < LABELS_MAX:
                    self._seen[row[1]] = max(row[0], self._seen.get(row[1], 0))
            gone = [key for key, last in self._seen.items() if last < tick - self._remembered - self.over]
            for key in gone:
                del self._seen[key]
                self.sliding.touched.add(key)
        super().fold(rows, tick)

    def look(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Once a day where that is asked for, as it was at that time."""
        if self.condition.checked is None:
            return super().look(tick, watched, held)
        check = -(-last_check(self.condition.checked, tick) // self.period) * self.period
        if check > tick:  # between the check and the next tick
            return Look()
        if check == self._checked_at:
            return Look()
        self._checking = check
        return super().look(check, watched, held)

    def accept(self) -> None:
        """The day's check is done."""
        super().accept()
        if self.condition.checked is not None:
            self._checked_at = self._checking

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """What nobody watched cannot be called missing."""
        look = super().found(tick, watched, held)
        self._whole_at = watched + self.over
        return Look() if self._few and tick < self._whole_at else look

    def changes(self) -> int | None:
        """Also when a whole window will have been watched."""
        whole = self._whole_at if self._few and (self._whole_at or 0) > self.looked else None
        times = [time for time in (super().changes(), whole, self._forgets()) if time is not None]
        return min(times, default=None)

    def _forgets(self) -> int | None:
        oldest = min(self._seen.values(), default=None)
        return None if oldest is None else oldest + self._remembered + self.over + 1

    def keys(self) -> Collection[Key]:
        """Those that fell silent among them."""
        silent: set[Key] = set(self._seen) if self.condition.by else {()}
        return silent | self.sliding.sums.keys() if self._few else self.sliding.sums.keys()

    def judge(self, key: Key, clear: Count | None) -> Holding | None:
        """Of a forgotten one nothing is said."""
        if self._few and self.condition.by and key not in self._seen:
            return None
        return super().judge(key, clear)

    def holds(self, key: Key, total: Sum, condition: Count) -> bool:
        """By the number."""
        return condition.holds(total.n)

    def value(self, key: Key, total: Sum) -> float:
        """The number."""
        return float(total.n)

    def example(self, now: datetime) -> Sql:
        """Those that are counted."""
        return of(self.condition.filter, now)
