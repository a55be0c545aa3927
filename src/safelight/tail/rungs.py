"""How much of a file that shrank is still the same: places on the way, each with what stands before it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final

from .position import Position, ReadAt

RUNG_BYTES: Final = 64 * 1024
"""Of a file that shrank, what is longer than this and known to be the same is not read again. Less may be how every run
of a program begins its log."""
RUNGS: Final = 64


class Rungs:
    """Positions of one content, at least RUNG_BYTES apart. Of many, every other one of the earlier is given up."""

    def __init__(self) -> None:
        self._positions: list[Position] = []

    def climb(self, starts: Sequence[int], at: Callable[[int], Position]) -> None:
        """Records begin at `starts`, in ascending order; `at` gives the position there."""
        index = 0
        while (index := bisect_left(starts, self._highest + RUNG_BYTES, index)) < len(starts):
            self._positions = self._positions[:: 2 if len(self._positions) >= RUNGS else 1]
            self._positions.append(at(starts[index]))

    def stands(self, size: int, read: ReadAt) -> int:
        """Up to where a content of this size is the same; 0 when that cannot be said. Raises OSError."""
        offsets = (rung.offset for rung in reversed(self._positions) if rung.offset <= size and rung.holds(read))
        return next(offsets, 0)

    @property
    def _highest(self) -> int:
        return self._positions[-1].offset if self._positions else 0
