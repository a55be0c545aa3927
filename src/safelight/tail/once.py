"""Files that are complete: read once from where an earlier reading ended, compressed or not."""

from __future__ import annotations

import gzip
import os
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

import zstandard

from ..errors import InputError
from ..event import IMPORTED
from .follow import Records
from .lines import LineCutter
from .position import Identity, Position, line_prefix, shown
from .records import Assembler, NewJoiner

CHUNK_BYTES: Final = 4 * 1024 * 1024
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

    With `again` it is read from its start as new content. Raises InputError when it cannot be read or unpacked.
    """
    try:
        if path == STANDARD_INPUT:
            now_ms = time.time_ns() // 1_000_000
            yield from _parts(sys.stdin.buffer, "stdin", Position("stdin", 0, now_ms, 0, 0), None, new_joiner)
            return
        with open(path, "rb") as file:
            identity = Identity.of(os.fstat(file.fileno()))
            position = _resumed(path, identity, file.fileno(), {} if again else done)
            stream = _unpacked(path, file)
            _skip(stream, position.offset)
            yield from _parts(stream, os.path.abspath(path), position, identity, new_joiner)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("tail.unreadable", path=shown(path), reason=reason) from error


def _resumed(path: str, identity: Identity, fd: int, done: Mapping[str, str]) -> Position:
    text = done.get(identity.key(_ROOM))
    position = Position.parse(text) if text else None
    if position is not None and (position.begins(fd) if _compressed(path) else position.fits(fd)):
        return position
    return Position.first(path, fd, earlier=position)


def _compressed(path: str) -> bool:
    return path.endswith((".gz", ".zst"))


def _unpacked(path: str, file: BinaryIO) -> BinaryIO:
    if path.endswith(".gz"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]  # reads as one
    if path.endswith(".zst"):
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return file


def _skip(stream: BinaryIO, offset: int) -> None:
    if offset and stream.seekable():
        stream.seek(offset)
        return
    while offset > 0:
        skipped = len(stream.read(min(offset, CHUNK_BYTES)))
        if not skipped:
            return
        offset -= skipped


def _parts(
    stream: BinaryIO, path: str, position: Position, identity: Identity | None, new_joiner: NewJoiner
) -> Iterator[Part]:
    cutter = LineCutter(position.offset)
    assembler = Assembler(new_joiner())
    prefix = IMPORTED + line_prefix(identity or Identity(0, 0), position.generation)
    while True:
        chunk = stream.read(CHUNK_BYTES)
        lines = assembler.add(cutter.feed(chunk) if chunk else cutter.rest(), 0.0)
        if not chunk:
            assembler.flush_into(lines)
        if chunk and not lines.texts:
            continue
        if lines.texts:
            end = cutter.offset if assembler.pending_start is None else assembler.pending_start
            moved = Position(path, end, position.generation, position.head_length, position.head_crc)
            checkpoint = {identity.key(_ROOM): moved.dump()} if identity else {}
            yield Part(Records(shown(path), prefix, lines.texts, lines.starts), len(chunk), checkpoint)
        if not chunk:
            return
