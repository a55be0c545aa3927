"""The memory of a run between its events: what the pack's sampler reads five times a second."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

from ..event import Name
from .happening import Happening
from .memory import CONTEXT_MB

INTERVAL_S: Final = 0.2
PER_EVENT: Final = 5
FEWEST: Final = 60
"""Readings of a run that was over when the demo was opened: told at once, at its end, so that a day stays small."""
SHAKE_MB: Final = 6.0
"""What comes and goes at any time."""


class Curve:
    """The memory of a card as straight lines between the moments that are known."""

    def __init__(self, at: float, vram_mb: float) -> None:
        self._at, self._mb = [at], [vram_mb]

    def reach(self, at: float, vram_mb: float) -> None:
        """At `at` so much is in use. Moments come in order."""
        self._at.append(max(at, self._at[-1]))
        self._mb.append(vram_mb)

    def mb(self, at: float) -> float:
        """In use at any moment of the run."""
        after = bisect_right(self._at, at)
        if after == 0 or after == len(self._at):
            return self._mb[0 if after == 0 else -1]
        start, end = self._at[after - 1], self._at[after]
        share = (at - start) / (end - start) if end > start else 1.0
        return self._mb[after - 1] + share * (self._mb[after] - self._mb[after - 1])

    def happenings(
        self, rng: Random, common: Mapping[str, Any], ram_mb: float, total_mb: float, *, closely: bool
    ) -> Iterator[Happening]:
        """The readings until the last moment: an event a second, or all in one."""
        start, length = self._at[0], self._at[-1] - self._at[0]
        count = max(2, int(length / INTERVAL_S)) if closely else max(2, min(FEWEST, int(length / INTERVAL_S)))
        moments = [start + length * step / (count - 1) for step in range(count)]
        size = PER_EVENT if closely else count
        for first in range(0, count, size):
            yield self._event(rng, common, moments[first : first + size], ram_mb, total_mb)

    def _event(
        self, rng: Random, common: Mapping[str, Any], moments: list[float], ram_mb: float, total_mb: float
    ) -> Happening:
        vram = [round(min(total_mb, self.mb(at) + rng.uniform(0, SHAKE_MB)), 1) for at in moments]
        ram = [round(ram_mb + rng.uniform(-SHAKE_MB, SHAKE_MB), 1) for _ in moments]
        curve = {
            "at": [round(at * 1000) for at in moments],
            "vram_mb": vram,
            "torch_mb": [round(max(0.0, mb - CONTEXT_MB), 1) for mb in vram],
            "ram_mb": ram,
            "vram_total_mb": total_mb,
        }
        fields = {**common, "vram_used_mb": vram[-1], "ram_used_mb": ram[-1], "curve": curve}
        return Happening(moments[-1], Name.RESOURCES_SAMPLED, "DEBUG", fields)
