"""How long to wait before the next attempt, and when it was the last one."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import isfinite
from typing import Final

from ..sinks import Retry

LONGEST_ASKED_S: Final = 3600.0
"""What a peer asks for beyond an hour is taken for an hour: it may be mistaken, and we would never notice."""


class Attempts:
    """The attempts at one batch, and whether the other side works at all."""

    def __init__(self, retry: Retry, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 to 1."""
        self._retry = retry
        self._chance = chance
        self.failed = 0
        """Attempts at this batch that failed, and count."""
        self.broken = False
        """A batch was given up, and no other was taken since."""
        self.misconfigured = False
        """The other side said last that it takes nothing as things are."""
        self._pauses = 0

    @property
    def well(self) -> bool:
        """Nothing failed since the last batch was taken."""
        return not (self.failed or self.broken or self.misconfigured)

    @property
    def exhausted(self) -> bool:
        """Whether this batch is to be given up."""
        return self.failed > self._retry.max

    def failure(self, after_s: float | None = None, *, misconfigured: bool = False) -> float:
        """One more failed; that `misconfigured` is no fault of the batch, and counts none of its attempts. Seconds
        until the next: twice as long each time, of which a half is drawn by lot.

        Drawn from all of it, one in 160 outages of ten minutes would use up fifteen attempts; so the shortest they can
        take is 19 minutes. While broken, every pause is the longest: the other side is asked, not besieged. What the
        peer asked for is waited for at least.
        """
        first, longest = self._retry.first.total_seconds(), self._retry.longest.total_seconds()
        pause = longest if self.broken else min(longest, first * 2.0 ** min(self._pauses, 63))
        self._pauses += 1
        self.failed += not misconfigured
        self.misconfigured = misconfigured
        pause *= 0.5 + self._chance() / 2
        asked = after_s if after_s is not None and isfinite(after_s) else 0.0
        return max(pause, min(asked, LONGEST_ASKED_S))

    def success(self) -> bool:
        """It was taken. Whether that is news."""
        news = not self.well
        self.failed, self._pauses, self.broken, self.misconfigured = 0, 0, False, False
        return news

    def given_up(self) -> None:
        """On to the next batch, carefully."""
        self.failed, self._pauses, self.broken = 0, 0, True
