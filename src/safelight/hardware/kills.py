"""Processes that the kernel killed for lack of memory: how many, and where its log may be read, which."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

VMSTAT: Final = Path("/proc/vmstat")
KERNEL_LOG: Final = Path("/dev/kmsg")
_RECORD_BYTES: Final = 8192
"""A read of /dev/kmsg gives one record, and fails when there is less room than it needs (`ABI/testing/dev-kmsg`)."""
_KILLED: Final = re.compile(
    rb"(?P<what>Memory cgroup out of memory|Out of memory): Killed process (?P<pid>\d+) \((?P<name>.*?)\)"
    rb"(?:.*?anon-rss:(?P<rss>\d+)kB)?"
)
"""mm/oom_kill.c, since Linux 5.3."""


class Kill(NamedTuple):
    """One killed process. `ram_mb`: the memory of its own that it had."""

    pid: int
    name: str
    ram_mb: float | None
    in_group: bool
    """A control group was full, not the machine."""


def total(path: Path = VMSTAT) -> int | None:
    """Kills since the machine started (`oom_kill`, Linux 4.13); None where the kernel does not say."""
    try:
        for line in path.read_bytes().splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None


def latest(count: int, path: Path = KERNEL_LOG) -> list[Kill]:
    """The last kills of the kernel's log, oldest first; fewer, or none, where it may not be read."""
    return parse(_records(path))[-count:] if count > 0 else []


def parse(log: bytes) -> list[Kill]:
    """The kills in a piece of the kernel's log."""
    return [
        Kill(
            int(found["pid"]),
            found["name"].decode("utf-8", "replace"),
            round(int(found["rss"]) / 1024, 1) if found["rss"] else None,
            found["what"].startswith(b"Memory cgroup"),
        )
        for found in _KILLED.finditer(log)
    ]


def _records(path: Path) -> bytes:
    try:
        log = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    records = []
    try:
        while True:
            try:
                record = os.read(log, _RECORD_BYTES)
            except BrokenPipeError:  # records were overwritten meanwhile: the next read goes on after them
                continue
            except OSError:  # EAGAIN: the end
                break
            if not record:
                break
            records.append(record)
    finally:
        os.close(log)
    return b"".join(records)
