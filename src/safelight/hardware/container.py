"""A container at one moment, from the Docker daemon or from its control group."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from . import cgroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Counters since it started; None is what cannot be had. A control group alone knows no name and no image."""

    id: str
    name: str
    image: str | None = None
    state: str = "running"
    """As Docker calls it: created, running, paused, restarting, exited, removing, dead."""
    started_at: str | None = None
    exit_code: int | None = None
    oom_killed: bool = False
    restarts: int | None = None
    cpu_s: float | None = None
    memory_mb: float | None = None
    limit_mb: float | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None
    oom_kills: int | None = None
    """Processes in it that the kernel killed for lack of memory."""


def from_groups(root: Path = cgroup.ROOT) -> list[Container]:
    """The running containers of this machine, without asking anybody."""
    found = []
    for id_, folder in cgroup.containers(root):
        group = cgroup.read(folder)
        if group is not None:
            found.append(_measured(Container(id=id_, name=id_[:12]), group))
    return found


def with_groups(containers: list[Container], root: Path = cgroup.ROOT) -> list[Container]:
    """The same with the kernel's count of kills, where this machine runs them: Docker tells only of first processes."""
    folders = dict(cgroup.containers(root))
    told = []
    for container in containers:
        group = cgroup.read(folders[container.id]) if container.id in folders else None
        told.append(replace(container, oom_kills=group.oom_kills) if group else container)
    return told


def _measured(container: Container, group: cgroup.Group) -> Container:
    return replace(
        container,
        cpu_s=group.cpu_s,
        memory_mb=group.memory_mb,
        limit_mb=group.limit_mb,
        oom_kills=group.oom_kills,
    )
