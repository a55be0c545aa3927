"""A batch stands in the files once and whole, whenever the machine stops.

Before anything is appended, a note beside the files says which batch comes, and for each file where it begins, where it
ends and what its bytes add up to. After a crash the note is compared with the files: all of the batch is there, or
what is there of it is cut off, and it is written again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from ... import disk
from ...errors import SinkError

_PIECE: Final = 1 << 20
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)


class Extent(msgspec.Struct, frozen=True):
    """A batch's part of a file."""

    path: str
    before: int
    after: int
    checksum: int


class Noted(msgspec.Struct, frozen=True):
    """The batch that was begun last."""

    batch: str
    extents: list[Extent]


class Commits:
    """Appends batches to files. Not thread-safe; methods raise OSError."""

    def __init__(self, note: Path, owned: int) -> None:
        self._note = note
        self._owned = owned
        self.last = ""
        """The batch that was written last, before this start too."""

    @classmethod
    def open(cls, directory: Path, name: str) -> Commits:
        """Those of a sink, its note in a directory, which is made if need be. A batch that a crash cut short is taken
        back. Raises SinkError when another process writes here."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = directory / f".{name}.safelight"
        descriptor = os.open(note.with_name(f"{note.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            commits = cls(note, descriptor)
            commits._recover()
        except BlockingIOError as error:
            os.close(descriptor)
            raise SinkError("sinks.file_in_use", path=directory) from error
        except OSError:
            os.close(descriptor)
            raise
        return commits

    def write(self, batch: str, contents: Mapping[Path, bytes]) -> None:
        """On the disk when it returns; when it raises nothing of it is in the files."""
        extents = [_begun(path, content) for path, content in contents.items()]
        noted = msgspec.json.encode(Noted(batch, extents))
        self.last = ""
        disk.publish(self._note, lambda aside: _write(aside, noted))
        try:
            for extent, content in zip(extents, contents.values(), strict=True):
                _append(extent, content)
        except OSError:
            for extent in extents:
                with contextlib.suppress(OSError):
                    os.truncate(extent.path, extent.before)
            raise
        self.last = batch

    def close(self) -> None:
        """Let others write here."""
        os.close(self._owned)

    def _recover(self) -> None:
        for leftover in self._note.parent.glob(f"{self._note.name}{disk.ASIDE}"):
            leftover.unlink(missing_ok=True)
        try:
            noted = msgspec.json.decode(self._note.read_bytes(), type=Noted)
        except (FileNotFoundError, msgspec.MsgspecError):
            return
        if all(map(_is_there, noted.extents)):
            self.last = noted.batch
            return
        for extent in noted.extents:
            with contextlib.suppress(FileNotFoundError), Path(extent.path).open("rb+") as file:
                if extent.before < file.seek(0, os.SEEK_END) <= extent.after:
                    file.truncate(extent.before)
                    os.fsync(file.fileno())


def _begun(path: Path, content: bytes) -> Extent:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, _NEW, 0o600)
    try:
        before = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    return Extent(str(path), before, before + len(content), zlib.crc32(content))


def _append(extent: Extent, content: bytes) -> None:
    """One file at a time: events may name more of them than there are descriptors."""
    descriptor = os.open(extent.path, _NEW, 0o600)
    try:
        disk.write_all(descriptor, content)
        disk.sync_data(descriptor)
    finally:
        os.close(descriptor)
    if not extent.before:
        disk.sync_directory(Path(extent.path).parent)


def _is_there(extent: Extent) -> bool:
    try:
        with Path(extent.path).open("rb") as file:
            file.seek(extent.before)
            left, checksum = extent.after - extent.before, 0
            while left and (piece := file.read(min(left, _PIECE))):
                checksum = zlib.crc32(piece, checksum)
                left -= len(piece)
    except FileNotFoundError:
        return False
    return not left and checksum == extent.checksum


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
