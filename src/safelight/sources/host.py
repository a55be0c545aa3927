"""Measure the machine that this server runs on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

import anyio.to_thread

from ..event import Name
from ..hardware import cgroup, kills
from ..hardware.machine import Machine
from . import Arrival, Report, Source
from .sampled import Beat, Every, arrival, sampled


class Host(Source):
    """Processor, memory, disks and network of this machine, and every process that the kernel killed for lack of
    memory."""

    type: Literal["host"] = "host"
    every: Every = timedelta(seconds=10)
    """How often to measure, from 1s to 1h."""

    example: ClassVar[dict[str, Any]] = {"every": "10s"}

    @property
    def name(self) -> str:
        """What is measured."""
        return "host"

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """A line, every so often, and one for each kill."""
        machine = await anyio.to_thread.run_sync(Machine)
        watch = KillWatch()
        beat = Beat(self.every)
        while True:
            await beat.rest()  # the first reading has rates already
            found = await anyio.to_thread.run_sync(lambda: [*watch.news(), _event(machine)])
            report.reading(1)
            yield arrival(self, found)


class KillWatch:
    """Notices kills by the kernel's counters: of the machine, or where a container hides that, of its own group."""

    def __init__(self) -> None:
        self._seen = self._count()

    def news(self) -> list[dict[str, Any]]:
        """An event for each kill since the last call; which process it was, where the kernel's log may be read."""
        before, self._seen = self._seen, self._count()
        if before is None or self._seen is None or self._seen <= before:
            return []
        count = self._seen - before
        known: list[kills.Kill | None] = [*kills.latest(count)]
        return [killed(kill) for kill in [None] * (count - len(known)) + known]

    def _count(self) -> int | None:
        whole = kills.total()
        folder = cgroup.own()
        group = cgroup.read(folder) if folder else None
        inner = group.oom_kills if group else None
        return max((count for count in (whole, inner) if count is not None), default=None)


def killed(kill: kills.Kill | None = None, **more: Any) -> dict[str, Any]:
    """A kill as an event. It is an error of its own, whatever else the death of the process causes."""
    what = f"{kill.name} (pid {kill.pid})" if kill else "a process"
    held = f", which held {kill.ram_mb:,.0f} MB" if kill and kill.ram_mb is not None else ""
    where = f" of container {more['container']['name']}" if "container" in more else ""
    said = f"The kernel killed {what}{where} for lack of memory{held}"
    return {
        "event": Name.OOM_KILLED,
        "level": "ERROR",
        "message": said,
        "error_type": "OOMKilled",
        "error_message": said,
        **({"pid": kill.pid, "process": kill.name, "group_was_full": kill.in_group} if kill else {}),
        **({"ram_used_mb": kill.ram_mb} if kill and kill.ram_mb is not None else {}),
        **more,
    }


def _event(machine: Machine) -> dict[str, Any]:
    load = machine.read()
    folder = cgroup.own()
    group = cgroup.read(folder) if folder else None
    if group is not None and group.limit_mb is not None:  # without a limit it says nothing that the machine does not
        load["group"] = {"memory_mb": group.memory_mb, "limit_mb": group.limit_mb}
    used = round(load["ram_total_mb"] - load["ram_available_mb"], 1)
    said = f"Processor {load['cpu_percent']:.0f} %, memory {used:,.0f} of {load['ram_total_mb']:,.0f} MB"
    return sampled(message=said, ram_used_mb=used, host_load=load)
