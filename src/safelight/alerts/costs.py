"""What judging each rule costs, and which are too slow to be judged as often as the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final

SLOW_MS: Final = 500.0
"""A rule that takes longer than this, on the average of its last looks, is judged ten times less often, until it takes
less than half of it."""
_WEIGHT: Final = 0.2


@dataclass(frozen=True, slots=True)
class Cost:
    """What judging a rule has cost since the server started. `judged`: how many times the store was asked for it; a
    question for several rules counts for each, with an equal part of its time."""

    judged: int = 0
    total_ms: float = 0.0
    slowed: bool = False

    @property
    def mean_ms(self) -> float:
        """Each time."""
        return self.total_ms / self.judged if self.judged else 0.0


class Costs:
    """Measures."""

    def __init__(self, rules: Iterable[str]) -> None:
        self._costs = {rule: Cost() for rule in rules}
        self._lately: dict[str, float] = {}

    def all(self) -> dict[str, Cost]:
        """Of every rule."""
        return dict(self._costs)

    def inherit(self, before: Costs, rules: Iterable[str]) -> None:
        """Go on from what was measured of these rules."""
        for rule in rules:
            self._costs[rule] = before._costs[rule]
            if rule in before._lately:
                self._lately[rule] = before._lately[rule]

    def slowed(self, rule: str) -> bool:
        """Whether it takes too long."""
        return self._costs[rule].slowed

    def share(self, rules: Sequence[str], spent_ms: float) -> None:
        """Something was done for all of them together."""
        for rule in rules:
            self._add(rule, spent_ms / len(rules))

    @contextmanager
    def of(self, rule: str) -> Iterator[None]:
        """Something is done for one of them, beside asking what is new: it is added, and not counted."""
        began = perf_counter()
        try:
            yield
        finally:
            cost = self._costs[rule]
            spent = (perf_counter() - began) * 1000
            self._costs[rule] = Cost(cost.judged, cost.total_ms + spent, cost.slowed)

    def _add(self, rule: str, spent_ms: float) -> None:
        cost = self._costs[rule]
        before = self._lately.get(rule, spent_ms)
        lately = self._lately[rule] = before + _WEIGHT * (spent_ms - before)
        slowed = lately > (SLOW_MS / 2 if cost.slowed else SLOW_MS)
        self._costs[rule] = Cost(cost.judged + 1, cost.total_ms + spent_ms, slowed)
