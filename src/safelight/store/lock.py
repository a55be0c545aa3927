"""One owner per data directory, and how everybody else finds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from ..errors import StoreError, StoreLocked

PATIENCE_S: Final = 0.3
"""Somebody who only asks who owns the directory holds the lock for microseconds: taking it tries again this long."""


class Owner(msgspec.Struct, frozen=True):
    """Who has the directory. `url` is where its server answers, once it does."""

    pid: int
    url: str | None = None


class Lock:
    """Held by the process that writes. The system releases it when the process ends, however it ends."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, data: Path) -> Lock:
        """Become the owner of a data directory, which is made if need be.

        Raises StoreLocked with the owner's `pid` and `url` when another process has it, StoreError when the directory
        cannot be used.
        """
        path = data / "lock"
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError("store.unusable", directory=data, reason=error.strerror) from error
        give_up = time.monotonic() + PATIENCE_S
        while not _try_lock(descriptor):
            if time.monotonic() > give_up:
                os.close(descriptor)
                owner = _read(path) or Owner(0)
                raise StoreLocked("store.locked", directory=data, pid=owner.pid, url=owner.url or "-")
            time.sleep(0.02)
        lock = cls(path, descriptor)
        lock.publish()
        return lock

    @staticmethod
    def owner(data: Path) -> Owner | None:
        """Who owns a data directory now; None when nobody does. Takes nothing."""
        path = data / "lock"
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            return None if _try_lock(descriptor) else _read(path) or Owner(0)
        finally:
            os.close(descriptor)  # gives back at once what the question may have taken

    def publish(self, url: str | None = None) -> None:
        """Say where the owner's server answers."""
        if self._descriptor is None:
            return
        # Padded to one length and written at once: whoever reads meanwhile never sees half of it.
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, msgspec.json.encode(Owner(os.getpid(), url)).ljust(1024))

    def release(self) -> None:
        """Let others own the directory. The file stays: removing it would let two processes lock two files."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> Owner | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Owner)
    except (OSError, msgspec.DecodeError):
        return None
