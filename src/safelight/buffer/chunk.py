"""A file of a queue: `SERIAL-FIRST-SALT.buf`, with the number of its first frame and the salt of its records.

Its first record brings over all positions from the files before it, so that those can go. A file is appended to until
it is full, emptied from its beginning, and removed whole.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import disk
from .record import HEADER, Draft, Note, Reading, Record, decode, encode, length, read

DAMAGED: Final = ".damaged"
_NAME: Final = re.compile(r"(\d+)-(\d+)-([0-9a-f]{8})\.buf")


@dataclass(slots=True, eq=False)
class Chunk:
    """A file, and what of it is still to be sent."""

    path: Path
    serial: int
    first: int
    salt: int
    size: int = 0  # bytes up to the end of its last good record
    opening: int = 0  # bytes of the first record, which brings the positions over
    end: int = 0  # the number after that of its last frame
    frames: int = 0
    events: int = 0
    weight: int = 0

    def took(self, note: Note) -> None:
        """One frame more is to be sent."""
        self.frames += 1
        self.events += note.count
        self.weight += note.weight
        self.end = note.number + 1

    def gave(self, count: int, weight: int) -> None:
        """One less."""
        self.frames -= 1
        self.events -= count
        self.weight -= weight

    def emptied(self) -> None:
        """Nothing is."""
        self.frames = self.events = self.weight = 0

    def read(self) -> Reading:
        """All its records. Raises OSError."""
        return read(self.path.read_bytes(), self.salt)

    def walk(self, offset: int, damaged: Callable[[Chunk, int, int], None]) -> Iterator[Record]:
        """Its records from `offset` on, one at a time; `damaged` is told of what lies between them. Raises OSError."""
        with self.path.open("rb", buffering=0) as file:
            while offset < self.size:
                whole = length(os.pread(file.fileno(), HEADER, offset), self.salt)
                found = decode(os.pread(file.fileno(), whole, offset), self.salt, offset) if whole else None
                if found is None:
                    rest = read(os.pread(file.fileno(), self.size - offset, offset), self.salt)
                    good = offset + (rest.records[0].start if rest.records else self.size - offset)
                    damaged(self, offset, good)
                    offset = good
                    continue
                yield found
                offset = found.end

    def lay_aside(self, start: int, stop: int) -> Path | None:
        """Keep a copy of damaged bytes for somebody to look at; None if that was done before. Raises OSError."""
        target = self.path.with_name(f"{self.path.stem}.{start}{DAMAGED}")
        if target.exists():
            return None
        with self.path.open("rb") as file:
            file.seek(start)
            content = file.read(stop - start)
        disk.publish(target, lambda aside: _write(aside, content))
        return target


class Tail:
    """The file that is appended to. Not thread-safe: the queue's lock guards it."""

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self._descriptor = os.open(chunk.path, os.O_WRONLY | os.O_APPEND)
        self._clean = False  # until what a crash left behind the last good record is cut off

    def write(self, content: bytes) -> None:
        """Append, and wait until it is on the disk. Raises OSError, and then none of it is in the file."""
        try:
            if not self._clean:
                os.ftruncate(self._descriptor, self.chunk.size)
                self._clean = True
            disk.write_all(self._descriptor, content)
            disk.sync_data(self._descriptor)
        except OSError:
            # What did reach the file is cut off, now or, when that fails too, before the next record.
            self._clean = False
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.chunk.size)
            raise
        self.chunk.size += len(content)

    def is_there(self) -> bool:
        """Whether anybody will find it again. Raises OSError."""
        return os.fstat(self._descriptor).st_nlink > 0

    def close(self) -> None:
        """Release the descriptor. Nothing needs flushing."""
        os.close(self._descriptor)


def create(directory: Path, serial: int, first: int, queue: str, checkpoint: Mapping[str, str]) -> Chunk:
    """A new file that knows all positions. It is complete and on the disk when it appears. Raises OSError."""
    salt = secrets.randbits(32)
    opening = Note(first - 1, first - 1, frame=False, checkpoint=dict(checkpoint), queue=queue)
    content = encode(Draft(opening), salt)
    path = directory / f"{serial:08d}-{first}-{salt:08x}.buf"
    disk.publish(path, lambda aside: _write(aside, content))
    return Chunk(path, serial, first, salt, len(content), len(content), first)


def listing(directory: Path) -> list[Chunk]:
    """The files of a queue, oldest first, unread."""
    try:
        named = [(path, _NAME.fullmatch(path.name)) for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    found = [Chunk(path, int(name[1]), int(name[2]), int(name[3], 16)) for path, name in named if name]
    return sorted(found, key=lambda chunk: chunk.serial)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
