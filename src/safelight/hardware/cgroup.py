"""Control groups, version 2, as files: memory and CPU of a group, and how many of its processes the kernel killed.

Source of fact: the kernel's `admin-guide/cgroup-v2`. Memory in MB (2^20 bytes) without the page cache that can be given
back at once (`inactive_file`), as `docker stats` counts it. Version 1 groups tell nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .card import MB

ROOT: Final = Path("/sys/fs/cgroup")
_CONTAINER: Final = re.compile(r"(?:docker-|libpod-|cri-containerd-|crio-)?([0-9a-f]{64})(?:\.scope)?")
_DEEPEST: Final = 6
"""Levels below the root at which containers are looked for: kubepods.slice/…-besteffort.slice/…-pod.slice/… is four."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group at one moment; None is what the kernel does not say of it."""

    memory_mb: float | None
    limit_mb: float | None
    cpu_s: float | None
    """Seconds of CPU since it exists."""
    oom_kills: int | None
    """Processes killed for lack of memory, in it and below."""


def read(folder: Path) -> Group | None:
    """The group behind a folder; None when there is none."""
    current = _number(folder / "memory.current")
    kills = _figures(folder / "memory.events").get("oom_kill")
    cpu = _figures(folder / "cpu.stat").get("usage_usec")
    if current is None and kills is None and cpu is None:
        return None
    limit = _number(folder / "memory.max")
    cache = _figures(folder / "memory.stat").get("inactive_file", 0)
    return Group(
        memory_mb=None if current is None else round(max(0, current - cache) / MB, 1),
        limit_mb=None if limit is None else round(limit / MB, 1),
        cpu_s=None if cpu is None else cpu / 1e6,
        oom_kills=kills,
    )


def own(root: Path = ROOT, told: Path = Path("/proc/self/cgroup")) -> Path | None:
    """The folder of the group that this process is in; inside a container that is mostly the root itself."""
    try:
        lines = told.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if path is None:
        return None
    folder = root / path
    return folder if folder.is_dir() else root


def containers(root: Path = ROOT) -> Iterator[tuple[str, Path]]:
    """Ids of the containers that have a group below `root`, and their folders."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            inner = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:  # gone, or not ours to read
            continue
        for path in sorted(inner):
            found = _CONTAINER.fullmatch(path.name)
            if found:
                yield found[1], path
            elif depth < _DEEPEST:
                waiting.append((path, depth + 1))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # absent, or `max`: no limit
        return None


def _figures(path: Path) -> dict[str, int]:
    """Lines of `name number`."""
    try:
        pairs = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
    except (OSError, ValueError):
        return {}
