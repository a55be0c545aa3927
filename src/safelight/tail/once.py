"""Files that are complete: read once from where an earlier reading ended, compressed or not."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final

from ..errors import InputError
from ..event import IMPORTED
from .encoding import BOM_BYTES, UTF_8, marked
from .lines import Lines
from .position import Identity, Position, line_prefix, reader, replace_position, shown
from .records import USUAL, NewJoiner, RecordReader
from .turn import Records
from .unpack import CHUNK_BYTES, FAILURES, Unpacking, after, gathered, is_packed, unpacked

STANDARD_INPUT: Final = "-"
_ROOM: Final = "ingest"


@dataclass(frozen=True, slots=True)
class Part:
    """Some records of a file, and the position that becomes true once they are durable."""

    records: Records
    size: int
    checkpoint: Mapping[str, str | None]


def read_once(path: str, new_joiner: NewJoiner, done: Mapping[str, str], *, again: bool = False) -> Iterator[Part]:
    """The records of `path` (`-` is standard input; `.gz` and `.zst` are unpacked) that are not in `done` yet.

    With `again` it is read from its start as new content. What is no regular file, such as a pipe, has no position.
    Raises InputError when it cannot be read: `tail.damaged` when that showed only after its beginning was handed out.
    """
    try:
        if path == STANDARD_INPUT:
            yield from _parts(path, _chunks(path, sys.stdin.buffer), _unplaced("stdin"), None, new_joiner)
            return
        if os.path.isdir(path):
            raise InputError("tail.directory", path=shown(path))
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            identity = Identity.of(status) if stat.S_ISREG(status.st_mode) else None
            position = _resumed(path, identity, file.fileno(), {} if again else done) if identity else _unplaced(path)
            chunks = _chunks(path, file, position.offset)
            yield from _parts(path, chunks, position, file.fileno() if identity else None, new_joiner)
    except FAILURES as error:
        raise InputError("tail.unreadable", path=shown(path), reason=_reason(error)) from error


def imported_before(path: str, done: Mapping[str, str]) -> bool:
    """Whether something of what `path` holds now was imported, as far as `done` knows."""
    if path == STANDARD_INPUT or not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return _resumed(path, Identity.of(os.fstat(file.fileno())), file.fileno(), done).offset > 0


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


def _unplaced(path: str) -> Position:
    """Of a stream: another time the same place holds other lines, so their ids are of this moment."""
    return Position(path, 0, time.time_ns(), 0, 0)


def _resumed(path: str, identity: Identity, fd: int, done: Mapping[str, str]) -> Position:
    text = done.get(identity.key(_ROOM))
    position = Position.parse(text) if text else None
    if position is not None and (position.begins(fd) if is_packed(path) else position.fits(fd)):
        return position
    return Position.first(path, fd, earlier=position)


def _chunks(path: str, file: BinaryIO, offset: int = 0) -> Iterator[bytes]:
    """What follows `offset` in the content of `file`."""
    if is_packed(path):
        return gathered(after(offset, unpacked(path, file)))
    if offset:
        file.seek(offset)
    return iter(lambda: file.read(CHUNK_BYTES), b"")


def _head(path: str, fd: int) -> bytes:
    """How the content of this file begins. Raises one of FAILURES."""
    if is_packed(path):
        with Unpacking(path, BOM_BYTES) as unpacking:
            return unpacking.take(BOM_BYTES)
    return os.pread(fd, BOM_BYTES, 0)


def _parts(
    path: str, chunks: Iterator[bytes], position: Position, fd: int | None, new_joiner: NewJoiner
) -> Iterator[Part]:
    """What `chunks` give, from `position` on; `fd` is of the file, None where there are no places to come back to."""
    if fd is None:
        head = next(chunks, b"")
        chunks = chain([head], chunks)
    else:
        head = _head(path, fd)
    encoding, mark = marked(head, UTF_8)
    records = RecordReader(position.offset, new_joiner(), USUAL, encoding, mark, mid_line=position.mid_line)
    identity = None if fd is None else Identity.of(os.fstat(fd))
    prefix = IMPORTED + line_prefix(identity or Identity(0, 0), position.generation)
    source = position.path if identity is None else os.path.abspath(path)
    size = 0

    def part(found: Lines) -> Part:
        checkpoint: dict[str, str | None] = {}
        if fd is not None and identity is not None:
            checkpoint[identity.key(_ROOM)] = _moved(position, source, fd, records).dump()
        return Part(Records(shown(source), prefix, found.texts, found.starts), size, checkpoint)

    failure = None
    while failure is None:
        try:
            chunk = next(chunks, b"")
        except FAILURES as error:
            failure, chunk = error, b""
        size += len(chunk)
        # The half line before a damage waits for the repaired file.
        found = records.feed(chunk, 0.0) if chunk else records.finish(0.0, with_half=failure is None)
        if found.texts:
            yield part(found)
            size = 0
        if not chunk:
            break
    if failure is not None and records.lines_done:
        raise InputError(
            "tail.damaged", path=shown(path), offset=records.lines_done, reason=_reason(failure)
        ) from failure
    if failure is not None:
        raise failure


def _moved(position: Position, source: str, fd: int, records: RecordReader) -> Position:
    """Of a packed file the head is of what is packed, and there is no mark: its places are of the content."""
    if is_packed(source):
        return replace_position(position, path=source, offset=records.done, mid_line=records.mid_line)
    return position.at(source, records.done, reader(fd), mid_line=records.mid_line)
