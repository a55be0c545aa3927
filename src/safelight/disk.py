"""What it takes that something is on the disk, and stays there when the power goes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

ASIDE: Final = ".tmp"
"""How the name of a half-written file ends."""

sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
"""Waits until what was written to a descriptor is on the disk. macOS has only fsync."""


def publish(path: Path, write: Callable[[Path], None]) -> None:
    """Let a file appear complete or not at all: written aside by `write`, synced, renamed, the directory synced.

    Raises OSError, and then leaves nothing behind.
    """
    aside = path.with_name(path.name + ASIDE)
    try:
        aside.touch()
        aside.chmod(0o600)  # logs are nobody else's business, not even half of them
        write(aside)
        sync_file(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_file(path: Path) -> None:
    """Wait until the contents of a file that somebody else wrote are on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(directory: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, piece: bytes | bytearray | memoryview) -> int:
    """Write all of it, however often the system takes a part; returns its length in bytes. Raises OSError."""
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(memoryview(piece))
