"""Counting what passes, and how fast."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

SPAN_S: Final = 60.0
"""A rate is that of the last minute."""
_PIECE_S: Final = 5.0


class Meter:
    """How much there was in all, and per second during the last minute. Safe to read while another thread adds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._clock = clock
        self._began = clock()
        self._pieces: deque[list[float]] = deque()  # [when it began, amount]

    def add(self, amount: int = 1) -> None:
        """So much more."""
        now = self._clock()
        self.total += amount
        if self._pieces and now - self._pieces[-1][0] < _PIECE_S:
            self._pieces[-1][1] += amount
        else:
            self._pieces.append([now, amount])
            while self._pieces[0][0] < now - SPAN_S:
                self._pieces.popleft()

    def per_second(self) -> float:
        """Over the last minute, or since it began to count if that is shorter."""
        now = self._clock()
        recent = sum(amount for began, amount in tuple(self._pieces) if began >= now - SPAN_S)
        return recent / max(min(SPAN_S, now - self._began), 1.0)
