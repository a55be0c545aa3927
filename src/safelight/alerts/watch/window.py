"""Conditions on a sliding stretch of time: how many events, which share of them, which mean or percentile."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from ...query.sql import Span, Sql
from ..condition import Count, Share, Statistic
from ..evaluate import JUDGED
from ..judged import Holding
from ..rule import Rule
from . import Fetched, Key, Labels, Look, Row, Watch, labels_of, us
from .columns import every, label_names, labelled
from .sliding import Sliding, Sum, grain_of, period_of

C = TypeVar("C", bound=Count | Share | Statistic)


class Window(Watch, Generic[C]):
    """What `Count`, `Share` and `Statistic` have in common."""

    def __init__(self, rule: Rule, condition: C) -> None:
        self.over = us(condition.over)
        super().__init__(rule, period_of(self.over))
        self.condition: C = condition
        self.clear: C | None = rule.clear if isinstance(rule.clear, type(condition)) else None
        self.sliding = Sliding(self.over, grain_of(self.over))
        self._names = label_names(condition.by)
        self._frozen: dict[Key, Labels] = {}
        self._holding: dict[Key, Holding] = {}
        self._held: frozenset[Labels] = frozenset()

    @property
    def horizon(self) -> timedelta:
        """The window, and what lies in its first grain."""
        return self.condition.over + timedelta(microseconds=self.sliding.grain)

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Rows enter, what is older than the window leaves."""
        add = self.sliding.add
        for time, key, n, _, y, _ in rows:
            add(time, key, n, y or 0)
        self.sliding.move(tick)

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Judge the label sets whose sums have changed."""
        self.crowded = self.sliding.crowded
        now_held = frozenset(held)
        changed, self.sliding.touched = self.sliding.touched, set()
        if now_held != self._held:
            changed |= {key for key in self.keys() if self.labels(key) in now_held ^ self._held}
            self._held = now_held
        for key in changed:
            holding = self.judge(key, self.clear if self.labels(key) in now_held else None)
            if holding is None:
                self._holding.pop(key, None)
            else:
                self._holding[key] = holding
        return Look(tuple(self._holding.values()))

    def keys(self) -> Collection[Key]:
        """The label sets that there are."""
        return self.sliding.sums.keys()

    def labels(self, key: Key) -> Labels:
        """As they are compared with those that fire."""
        known = self._frozen.get(key)
        if known is None:
            if len(self._frozen) > 10_000:
                self._frozen.clear()
            known = self._frozen[key] = frozenset(labels_of(self._names, key).items())
        return known

    def judge(self, key: Key, clear: C | None) -> Holding | None:
        """Whether it holds; with `clear`, whether it goes on."""
        total = self.sliding.sums.get(key, NOTHING)
        holds = self.holds(key, total, self.condition) if clear is None else not self.holds(key, total, clear)
        if not holds or total.n < getattr(self.condition, "least", 0):
            return None
        return Holding(labels_of(self._names, key), total.n, self.value(key, total))

    @abstractmethod
    def holds(self, key: Key, total: Sum, condition: C) -> bool:
        """Whether the sums of a window meet a condition."""

    @abstractmethod
    def value(self, key: Key, total: Sum) -> float | None:
        """The figure that is shown."""

    @abstractmethod
    def example(self, now: datetime) -> Sql:
        """Which events are examples."""

    def examples(self, labels: Mapping[str, str], tick: datetime) -> Fetched | None:
        """In the window, with these labels."""
        wanted = every(JUDGED, self.example(tick), labelled(self.condition.by, labels))
        return wanted, Span(start=tick - self.condition.over, end=tick)

    def changes(self) -> int | None:
        """When the first grain leaves."""
        return self.sliding.leaves()


NOTHING = Sum()
