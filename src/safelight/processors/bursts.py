"""When events come faster than is usual: a burst begins with the first event above so many in one second, and is over
when that has not happened for a while. Counted by arrival, in whole seconds."""

from __future__ import annotations

import math

import pyarrow as pa

from ..batch import Batch
from .rates import by_second, imported


class Bursts:
    """Tells the events of a burst from the others."""

    def __init__(self, above: float, lasting_s: float) -> None:
        self._above = above
        self._lasting = math.ceil(lasting_s)
        self._second = 0
        self._count = 0
        self._until = 0

    def rows(self, batch: Batch) -> pa.BooleanArray | None:
        """Which rows belong to a burst; None for none. What was imported is history, and counts for nothing."""
        if not len(batch) or imported(batch):
            return None
        inside: list[int] = []
        for second, rows in by_second(batch):
            places = range(len(batch)) if rows is None else rows.to_pylist()
            inside += places[self._calm(second, len(places)) :]
        if not inside:
            return None
        if len(inside) == len(batch):
            return pa.repeat(pa.scalar(True, pa.bool_()), len(batch))  # noqa: FBT003
        within = set(inside)
        return pa.array([place in within for place in range(len(batch))], pa.bool_())

    def _calm(self, second: int, count: int) -> int:
        """How many of the next events, all of one second, come before a burst."""
        if second > self._second:
            self._second, self._count = second, 0
        room = max(0, math.floor(self._above - self._count))
        self._count += count
        calm = 0 if self._second < self._until else min(room, count)
        if self._count > self._above:
            self._until = self._second + 1 + self._lasting
        return calm
