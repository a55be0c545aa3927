"""Sums over a sliding stretch of time, per key: what enters is added, what leaves is taken off again, exactly.

Time is cut into grains, and a stretch begins at a grain: it is never more than one grain longer than asked for. At most
720 grains make a stretch, and CELLS_MAX bounds grains times keys: memory does not grow with the events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final

from . import DAY, LABELS_MAX, MINUTE, SECOND, Key

GRAINS_MAX: Final = 720
CELLS_MAX: Final = 100_000
"""Sums that a stretch keeps, grains times labels (about 20 MB); beyond it the grains become longer."""
_NICE: Final = tuple(SECOND * seconds for seconds in (1, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200))


def grain_of(over: int) -> int:
    """How finely a stretch is cut: a minute to the second, up to an hour 5 s, longer ones to 1/720 of their length."""
    if over < MINUTE:
        return SECOND
    return next((grain for grain in _NICE[1:] if grain * GRAINS_MAX >= over), -(-over // GRAINS_MAX // DAY) * DAY)


def period_of(over: int) -> int:
    """How often a stretch is looked at: as finely as it is cut, at least once a minute."""
    return min(grain_of(over), MINUTE)


@dataclass(slots=True)
class Sum:
    """What a stretch, or a grain of it, holds of one key."""

    n: int = 0
    y: int = 0
    z: int = 0
    bins: dict[int, int] | None = None
    """How often each bin of values occurs, where percentiles are asked for."""
    extremes: list[tuple[float, int]] | None = None
    """Of a stretch: a heap of values with their grain, where the least one is asked for; some have left already."""


class Sliding:
    """The last `over` microseconds."""

    def __init__(self, over: int, grain: int) -> None:
        self.over = over
        self.grain = grain
        self.sums: dict[Key, Sum] = {}
        """Per key, over the whole stretch."""
        self.touched: set[Key] = set()
        """Keys whose sum has changed; whoever has looked empties it."""
        self.crowded = False
        self._grains: dict[int, dict[Key, Sum]] = {}
        self._order: list[int] = []
        self._cells = 0
        self._start: int | None = None

    def add(self, at: int, key: Key, n: int, y: int = 0, z: int = 0, number: int | None = None) -> int | None:
        """Something at `at` enters, with its bin if there is one; gives its grain. What lies before the stretch, and a
        key too many, is passed by."""
        grain = at // self.grain * self.grain
        if self._start is not None and grain < self._start:
            return None
        total = self.sums.get(key)
        if total is None:
            if len(self.sums) >= LABELS_MAX:
                self.crowded = True
                return None
            total = self.sums[key] = Sum()
        cells = self._grains.get(grain)
        if cells is None:
            cells = self._grains[grain] = {}
            heappush(self._order, grain)
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = Sum()
            self._cells += 1
        for one in (cell, total):
            one.n += n
            one.y += y
            one.z += z
            if number is not None:
                if one.bins is None:
                    one.bins = {}
                one.bins[number] = one.bins.get(number, 0) + n
        self.touched.add(key)
        if self._cells > CELLS_MAX:
            self._coarsen()
        return grain

    def add_extreme(self, grain: int, key: Key, value: float) -> None:
        """A value whose least is asked for."""
        total = self.sums[key]
        if total.extremes is None:
            total.extremes = []
        heappush(total.extremes, (value, grain))
        if len(total.extremes) > 4 * GRAINS_MAX:  # those that never come to the top would stay for ever
            least: dict[int, float] = {}
            for one, of in total.extremes:
                if of not in least or one < least[of]:
                    least[of] = one
            total.extremes = [(one, of) for of, one in least.items() if self._start is None or of >= self._start]
            heapify(total.extremes)

    def move(self, tick: int) -> None:
        """The stretch ends at `tick` now: what is older leaves."""
        self._start = (tick - self.over) // self.grain * self.grain
        while self._order and self._order[0] < self._start:
            cells = self._grains.pop(heappop(self._order))
            self._cells -= len(cells)
            for key, cell in cells.items():
                total = self.sums[key]
                total.n -= cell.n
                total.y -= cell.y
                total.z -= cell.z
                self.touched.add(key)
                if not total.n:
                    del self.sums[key]
                elif cell.bins and total.bins:
                    _take_off(total.bins, cell.bins)

    def least(self, key: Key) -> float | None:
        """The least of the values that entered as an `extreme` and are still in the stretch."""
        total = self.sums.get(key)
        if total is None or total.extremes is None:
            return None
        while total.extremes and self._start is not None and total.extremes[0][1] < self._start:
            heappop(total.extremes)
        return total.extremes[0][0] if total.extremes else None

    def leaves(self) -> int | None:
        """When something leaves next."""
        return self._order[0] + self.grain + self.over if self._order else None

    def _coarsen(self) -> None:
        """Too many labels at too many times: grains of twice the length take their place."""
        self.grain *= 2
        grains: dict[int, dict[Key, Sum]] = {}
        for start, cells in self._grains.items():
            joined = grains.setdefault(start // self.grain * self.grain, {})
            for key, cell in cells.items():
                known = joined.get(key)
                if known is None:
                    joined[key] = cell
                    continue
                known.n, known.y, known.z = known.n + cell.n, known.y + cell.y, known.z + cell.z
                if cell.bins:
                    known.bins = dict(Counter(known.bins or {}) + Counter(cell.bins))
        self._grains, self._order = grains, sorted(grains)
        self._cells = sum(map(len, grains.values()))
        for total in self.sums.values():
            if total.extremes:
                total.extremes = sorted((value, of // self.grain * self.grain) for value, of in total.extremes)


def _take_off(bins: dict[int, int], gone: dict[int, int]) -> None:
    for number, count in gone.items():
        left = bins[number] - count
        if left:
            bins[number] = left
        else:
            del bins[number]
