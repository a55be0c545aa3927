"""Apple silicon by `ioreg`, which needs no rights: utilization, and what of the shared memory the GPU uses.

Temperature, power and clock need root there (`powermetrics`), so they are None. Not seen on a real machine; the keys
are those that IOAccelerator's `PerformanceStatistics` has on M1 to M4.
"""

from __future__ import annotations

import plistlib
import subprocess
import sys
from typing import Any, Final

import psutil

from .card import MB, Absent, Card, Sample

COMMAND: Final = ("/usr/sbin/ioreg", "-a", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
WAIT_S: Final = 5.0


class Apple:
    """The GPU of an Apple machine."""

    def read(self) -> Sample:
        """Now. Raises Absent on other machines."""
        if sys.platform != "darwin":
            raise Absent("ioreg", "not an Apple machine")
        try:
            told = subprocess.run(COMMAND, capture_output=True, check=True, timeout=WAIT_S).stdout  # noqa: S603 - fixed
            found = plistlib.loads(told) if told.strip() else []
        except (OSError, subprocess.SubprocessError, plistlib.InvalidFileException, ValueError) as error:
            raise Absent("ioreg", error) from error
        if not found:
            raise Absent("ioreg", "no IOAccelerator")
        return cards(found, psutil.virtual_memory().total / MB)

    def close(self) -> None:
        """Nothing is held."""


def cards(found: list[dict[str, Any]], memory_mb: float) -> Sample:
    """From what `ioreg` printed; the memory is shared with the processor."""
    told = []
    for index, entry in enumerate(found):
        figures = entry.get("PerformanceStatistics") or {}
        used = figures.get("In use system memory")
        told.append(
            Card(
                index=index,
                name=entry.get("model"),
                vendor="apple",
                vram_total_mb=round(memory_mb, 1),
                vram_used_mb=None if used is None else round(used / MB, 1),
                utilization_percent=figures.get("Device Utilization %"),
            )
        )
    return Sample(tuple(told))
