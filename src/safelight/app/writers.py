"""Whether the process that wrote a spool folder is gone, and all that it wrote is durable here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..sources.spool import ROOM
from ..tail.held import is_held
from ..tail.position import Identity, Position

_TAIL: Final = 64 * 1024


def is_gone(folder: Path, durable: Mapping[str, str]) -> bool:
    """True once nothing more can come from the writer of `folder`; `durable` is the store's checkpoint of the spool.

    The spool source deletes a folder when its writer is gone and all is durable. It cannot when the writer was killed
    in the middle of a line: then what counts is that the rest is durable. A living writer that was given another
    folder, because somebody removed this one or the day changed in between, is not gone.
    """
    return _is_over(folder, durable) and not any(_is_written(other) for other in _of_the_same_process(folder))


def _is_over(folder: Path, durable: Mapping[str, str]) -> bool:
    files = _files(folder)
    return not _is_written(folder) and all(_is_durable(file, durable) for file in files)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.ndjson"))
    except OSError:
        return []


def _is_written(folder: Path) -> bool:
    """Whether somebody holds the lock of the file that is appended to."""
    files = _files(folder)
    return bool(files) and is_held(files[-1])


def _is_durable(file: Path, durable: Mapping[str, str]) -> bool:
    """Whether every whole line is."""
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            opened.seek(max(0, found.st_size - _TAIL))
            tail = opened.read()
    except FileNotFoundError:  # deleted, so it was
        return True
    except OSError:
        return False
    lines_end = found.st_size - len(tail) + tail.rfind(b"\n") + 1
    position = Position.parse(durable.get(Identity.of(found).key(ROOM), ""))
    return lines_end == 0 or (position is not None and position.offset >= lines_end)


def _of_the_same_process(folder: Path) -> list[Path]:
    """Other folders `service-host-starttime-pid` of its pid, also those that a copy of `safelight_emit` counted up."""
    begin, _, end = folder.name.rpartition("-")
    service_and_host = begin.rpartition("-")[0]
    pid = end.split(".")[0]
    try:
        return [
            other
            for other in folder.parent.glob(f"{_literal(service_and_host)}-*-{_literal(pid)}*")
            if other != folder and other.name.rpartition("-")[2].split(".")[0] == pid
        ]
    except OSError:
        return []


def _literal(text: str) -> str:
    return text.translate({ord(char): f"[{char}]" for char in "*?["})
