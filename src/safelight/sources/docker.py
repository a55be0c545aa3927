"""Measure the containers of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import anyio.to_thread

from ..errors import InputError
from ..hardware import cgroup
from ..hardware.card import Absent
from ..hardware.container import Container, from_groups, with_groups
from ..hardware.docker_api import Daemon
from . import Arrival, Report, Source
from .host import killed
from .sampled import Beat, Every, arrival, sampled

LOOK_AGAIN: Final = timedelta(minutes=1)
"""Without a container."""
EXITED: Final = "container_exited"
"""The event of a container that ended."""
ENDED: Final = frozenset({"exited", "dead"})
_KB: Final = 1024
_UNKNOWN: Final = Container(id="", name="")


class Docker(Source):
    """CPU, memory and network of containers, their exits, and kills for lack of memory. Asks the Docker daemon over its
    socket, with GET requests only; without a socket it reads the kernel's control groups, which know ids, not names."""

    type: Literal["docker"] = "docker"
    every: Every = timedelta(seconds=10)
    """How often to measure, from 1s to 1h."""
    socket: Path | None = None
    """The daemon's unix socket; by default that of `$DOCKER_HOST`, or `/var/run/docker.sock`."""
    names: tuple[str, ...] = ()
    """Globs of container names (of ids without a socket) to measure; all by default."""
    labels: tuple[str, ...] = ()
    """`key` or `key=value` that a container must have, each of them; needs the socket."""
    cgroups: Path = cgroup.ROOT
    """Where version 2 control groups are mounted; a container sees those of its host where they are mounted for it."""

    example: ClassVar[dict[str, Any]] = {"names": ["comfyui*"], "every": "15s"}

    @property
    def name(self) -> str:
        """Where it asks."""
        return f"docker:{self._where()}"

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """A line a running container, every so often, and one for each exit and each kill."""
        daemon, history, beat = Daemon(self._where()), History(), Beat(self.every)
        try:
            while True:
                try:
                    containers = await self._look(daemon)
                except (Absent, InputError) as error:
                    if isinstance(error, InputError):
                        report.trouble(self.name, error)
                    else:
                        report.recovered(self.name)
                        report.waiting(InputError("docker.none", reason=error))
                    await beat.rest(LOOK_AGAIN)
                    continue
                report.recovered(self.name)
                running = [one for one in containers if one.state == "running"]
                report.reading(len(running))
                events = list(history.news(containers, time.monotonic()))
                if events:
                    yield arrival(self, events)
                await beat.rest()
        finally:
            await daemon.close()

    async def _look(self, daemon: Daemon) -> list[Container]:
        """What there is now. Raises Absent without daemon and groups, InputError for answers that make no sense."""
        try:
            told = await daemon.containers(self.labels)
            found = await anyio.to_thread.run_sync(with_groups, told, self.cgroups)
        except Absent:
            found = [] if self.labels else await anyio.to_thread.run_sync(from_groups, self.cgroups)
            if not found:
                raise
        return [one for one in found if not self.names or any(fnmatchcase(one.name, glob) for glob in self.names)]

    def _where(self) -> Path:
        if self.socket is not None:
            return self.socket.expanduser()
        return Path(os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or "/var/run/docker.sock")


class History:
    """What was seen last: rates are differences, and an exit is noticed by what a container was before."""

    def __init__(self) -> None:
        self._before: dict[str, Container] = {}
        self._at = 0.0
        self._first = True

    def news(self, containers: list[Container], now: float) -> Iterator[dict[str, Any]]:
        """The events of this look. `now`: seconds of any steady clock."""
        past_s = now - self._at
        for container in containers:
            before = self._before.get(container.id)
            yield from self._ended(container, before)
            if container.state == "running":
                yield _event(container, before, past_s)
        for gone in self._before.keys() - {container.id for container in containers}:
            if self._before[gone].state not in ENDED:
                yield _exit(self._before[gone], None, "is gone")
        self._before = {container.id: container for container in containers}
        self._at, self._first = now, False

    def _ended(self, container: Container, before: Container | None) -> Iterator[dict[str, Any]]:
        told = _kills(container, before)
        yield from (killed(container=_identity(container)) for _ in range(told))
        if container.state in ENDED and (before.state not in ENDED if before else not self._first):
            if container.oom_killed and not told and not (before and before.oom_kills):
                yield killed(container=_identity(container))
            yield _exit(container, container.exit_code, f"ended with exit code {container.exit_code}")
        elif before and before.state == "running" and before.started_at != container.started_at:
            yield _exit(container, None, "was restarted")


def _kills(container: Container, before: Container | None) -> int:
    """New ones; the count begins again with every start."""
    if before is None or container.oom_kills is None or before.started_at != container.started_at:
        return 0
    return max(0, container.oom_kills - (before.oom_kills or 0))


def _identity(container: Container) -> dict[str, Any]:
    known = {"name": container.name, "image": container.image, "id": container.id[:12]}
    return {name: value for name, value in known.items() if value is not None}


def _exit(container: Container, code: int | None, how: str) -> dict[str, Any]:
    killed_by = {137: " (killed)", 139: " (segmentation fault)", 143: " (asked to stop)"}.get(code or 0, "")
    return {
        "event": EXITED,
        "level": "INFO" if code == 0 else "WARNING",
        "message": f"Container {container.name} {how}{killed_by}",
        "exit_code": code,
        "oom_killed": container.oom_killed,
        "container": {**_identity(container), "state": container.state, "restarts": container.restarts},
    }


def _event(container: Container, before: Container | None, past_s: float) -> dict[str, Any]:
    then = before if before and before.started_at == container.started_at else _UNKNOWN

    def rate(count: float | None, was: float | None, unit: float) -> float | None:
        return None if count is None or was is None else round(max(0.0, count - was) / max(past_s, 1e-3) / unit, 1)

    received = rate(container.received_bytes, then.received_bytes, _KB)
    sent = rate(container.sent_bytes, then.sent_bytes, _KB)
    told = {
        **_identity(container),
        "state": container.state,
        "cpu_percent": rate(container.cpu_s, then.cpu_s, 0.01),
        "memory_mb": container.memory_mb,
        "memory_limit_mb": container.limit_mb,
        "network": None if received is None else {"received_kb": received, "sent_kb": sent},
        "restarts": container.restarts,
    }
    figures = ((told["cpu_percent"], "CPU {:.0f} %"), (container.memory_mb, "memory {:,.0f} MB"))
    said = ", ".join(form.format(figure) for figure, form in figures if figure is not None)
    message = f"Container {container.name}: {said or container.state}"
    return sampled(message=message, ram_used_mb=container.memory_mb, container=told)
