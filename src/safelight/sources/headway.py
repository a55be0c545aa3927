"""How far files are read, told once a second."""

from __future__ import annotations

import time
from typing import Final

from ..tail.tailer import Tailer
from . import Progress, Report

EVERY_S: Final = 1.0


class Headway:
    """Tells a source's Report how far its tailer is, and what was left out: too long lines, and runs of NULs."""

    def __init__(self, tailer: Tailer, report: Report, *, skips_long: bool = False) -> None:
        self._tailer = tailer
        self._report = report
        self._skips_long = skips_long
        self._next = 0.0
        self._left_out: dict[str, int] = {}

    def tell(self) -> None:
        """If it is time."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_S
        self._report.progress(
            [Progress(file.path, file.size, file.offset, file.lag_s, file.cut) for file in self._tailer.figures()]
        )
        cut, nul_runs = self._tailer.left_out()
        self._refused("nul_bytes", nul_runs)
        if self._skips_long:
            self._refused("too_long", cut)

    def _refused(self, why: str, count: int) -> None:
        new = count - self._left_out.get(why, 0)
        if new:
            self._left_out[why] = count
            self._report.refused(new, why)
