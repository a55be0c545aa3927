"""Processor, memory, disks and network of this machine by psutil. Memory in MB (2^20 bytes), rates per second."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import psutil

from .card import MB

KB: Final = 1024
SMALLEST_MB: Final = 8192
"""A smaller file system, such as `/boot` or `/boot/efi`, is not where anything is worked on, and may be full."""
_NOT_DISKS: Final = {"squashfs", "iso9660", "erofs"}
"""Images that are full by nature."""


class Machine:
    """Keeps the counters of the last reading, because rates are differences."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # the first call has nothing to compare with
        self._at = time.monotonic()
        self._counters = _counters()

    def read(self) -> dict[str, Any]:
        """Now; rates since the last call."""
        memory = psutil.virtual_memory()
        swap = psutil.swap_memory()
        mounted = disks()
        return {
            "cpu_percent": psutil.cpu_percent(),
            "cpu_count": psutil.cpu_count() or 1,
            "load": [round(load, 2) for load in psutil.getloadavg()],
            "ram_total_mb": round(memory.total / MB, 1),
            "ram_available_mb": round(memory.available / MB, 1),
            "swap_total_mb": round(swap.total / MB, 1),
            "swap_used_mb": round(swap.used / MB, 1),
            "disks": mounted,
            **fullest(mounted),
            **self._rates(),
        }

    def _rates(self) -> dict[str, dict[str, float]]:
        now, counters = time.monotonic(), _counters()
        past_s, before = max(now - self._at, 1e-3), self._counters
        self._at, self._counters = now, counters
        rates: dict[str, dict[str, float]] = {}
        for (group, name), value in counters.items():
            if (group, name) in before:  # a counter goes back when an interface or a disk leaves
                rate = max(0, value - before[group, name]) / past_s / KB
                rates.setdefault(group, {})[name] = round(rate, 1)
        return rates


def fullest(mounted: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which disk has the least room left, flat, so that a rule can ask for it: whichever is full first stops the work.
    Small ones are left out where there are others; nothing without a disk."""
    if not mounted:
        return {}
    worked_on = [one for one in mounted if one["total_mb"] >= SMALLEST_MB]
    one = min(worked_on or mounted, key=lambda one: one["free_mb"])
    found = {"mount": one["mount"], "percent": one["used_percent"], "free_mb": one["free_mb"]}
    return {f"disk_fullest_{name}": value for name, value in found.items()}


def disks() -> list[dict[str, Any]]:
    """Every real file system once, however often it is mounted; in a container, where none shows, the root."""
    found: dict[str, dict[str, Any]] = {}
    mounted = [(part.device, part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=False)]
    if not any(mount == "/" for _, mount, _ in mounted):
        mounted.append(("root", "/", ""))
    for device, mount, kind in sorted(mounted, key=lambda one: len(one[1])):
        if device in found or kind in _NOT_DISKS:
            continue
        with suppress(OSError):  # unplugged, or not ours to look into
            usage = psutil.disk_usage(mount)
            found[device] = {
                "mount": mount,
                "type": kind or None,
                "total_mb": round(usage.total / MB),
                "free_mb": round(usage.free / MB),
                "used_percent": usage.percent,
            }
    return list(found.values())


def _counters() -> dict[tuple[str, str], int]:
    counters: dict[tuple[str, str], int] = {}
    with suppress(OSError, RuntimeError):
        network = psutil.net_io_counters()
        if network:
            counters["network", "received_kb"] = network.bytes_recv
            counters["network", "sent_kb"] = network.bytes_sent
    with suppress(OSError, RuntimeError):
        disk = psutil.disk_io_counters()
        if disk:
            counters["disk_io", "read_kb"] = disk.read_bytes
            counters["disk_io", "written_kb"] = disk.write_bytes
    return counters
