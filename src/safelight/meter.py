"""Counting what passes, and how fast."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final

SPAN_S: Final = 60.0
"""A rate is that of the last minute."""
_PIECE_S: Final = 5.0
LATELY_S: Final = 3600.0
"""What is told as a problem happened within the last hour; what is older is a figure."""
_STRETCH_S: Final = 60.0


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


class Tally:
    """How often each of a few things happened: in all, and during the last hour, to the minute. Safe to read while
    another thread adds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total: Counter[str] = Counter()
        self._clock = clock
        self._stretches: defaultdict[str, deque[list[float]]] = defaultdict(deque)  # [began, amount, last]

    def add(self, what: str, amount: int = 1) -> None:
        """So often more."""
        if not amount:
            return
        now = self._clock()
        self.total[what] += amount
        stretches = self._stretches[what]
        if stretches and now - stretches[-1][0] < _STRETCH_S:
            stretches[-1][1:] = stretches[-1][1] + amount, now
        else:
            stretches.append([now, amount, now])
            while stretches[0][2] < now - LATELY_S:
                stretches.popleft()

    def lately(self) -> dict[str, dict[str, Any]]:
        """What happened during the last hour: `count`, and `ago_s`, the seconds since the last time."""
        now = self._clock()
        found = {}
        for what, stretches in tuple(self._stretches.items()):
            recent = [stretch for stretch in tuple(stretches) if stretch[2] >= now - LATELY_S]
            if recent:
                count = int(sum(amount for _, amount, _ in recent))
                found[what] = {"count": count, "ago_s": round(now - recent[-1][2], 1)}
        return found
