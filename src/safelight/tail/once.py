"""Files that are complete: read once from where an earlier reading ended, compressed or not."""

from __future__ import annotations

import os
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

import zstandard

from ..errors import InputError
from ..event import IMPORTED
from .follow import Records
from .lines import LineCutter, Lines
from .position import Identity, Position, line_prefix, shown
from .records import Assembler, NewJoiner

CHUNK_BYTES: Final = 4 * 1024 * 1024
STANDARD_INPUT: Final = "-"
_ROOM: Final = "ingest"
_PIECE_BYTES: Final = 256
"""Unpacked at a time. An unpacker that meets damage keeps to itself what it made of the same piece: a small piece loses
little. It also bounds what a piece can become: 8 MB, as zstd packs 128 KB into 4 bytes at best (RFC 8878 §3.1.1.2)."""

_FAILURES: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Part:
    """Some records of a file, and the position that becomes true once they are durable."""

    records: Records
    size: int
    checkpoint: Mapping[str, str | None]


class _Unpacker(Protocol):
    """Unpacks one gzip member or zstd frame; a file may hold several in a row (RFC 1952 §2.2, RFC 8878 §3)."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


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
            yield from _parts(path, _chunks(path, file, position.offset), position, identity, new_joiner)
    except _FAILURES as error:
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
    if position is not None and (position.begins(fd) if _compressed(path) else position.fits(fd)):
        return position
    return Position.first(path, fd, earlier=position)


def _compressed(path: str) -> bool:
    return path.endswith((".gz", ".zst"))


def _chunks(path: str, file: BinaryIO, offset: int = 0) -> Iterator[bytes]:
    """What follows `offset` in the content of `file`."""
    if path.endswith(".gz"):
        return _gathered(_after(offset, _unpacked(file, lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), b"\0")))
    if path.endswith(".zst"):
        return _gathered(_after(offset, _unpacked(file, lambda: zstandard.ZstdDecompressor().decompressobj())))
    if offset:
        file.seek(offset)
    return iter(lambda: file.read(CHUNK_BYTES), b"")


def _unpacked(file: BinaryIO, new: Callable[[], _Unpacker], padding: bytes = b"") -> Iterator[bytes]:
    """The content of members or frames. Raises EOFError when the last one has no end."""
    unpacker: _Unpacker | None = None
    while block := file.read(CHUNK_BYTES):
        for at in range(0, len(block), _PIECE_BYTES):
            piece = block[at : at + _PIECE_BYTES]
            while piece:
                if unpacker is None:
                    piece = piece.lstrip(padding) if padding else piece
                    if not piece:
                        break
                    unpacker = new()
                yield unpacker.decompress(piece)
                piece = b""
                if unpacker.eof:
                    piece, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        raise EOFError("it ends in the middle of its packed content")


def _after(offset: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if offset < len(piece):
            yield piece[offset:]
        offset -= min(offset, len(piece))


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks of about CHUNK_BYTES. What came before a failure is handed out before it."""
    held: list[bytes] = []
    size = 0
    failure = None
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= CHUNK_BYTES:
                yield b"".join(held)
                held, size = [], 0
    except _FAILURES as error:
        failure = error
    if size:
        yield b"".join(held)
    if failure is not None:
        raise failure


def _parts(
    path: str, chunks: Iterator[bytes], position: Position, identity: Identity | None, new_joiner: NewJoiner
) -> Iterator[Part]:
    cutter = LineCutter(position.offset)
    assembler = Assembler(new_joiner())
    prefix = IMPORTED + line_prefix(identity or Identity(0, 0), position.generation)
    source = position.path if identity is None else os.path.abspath(path)
    size = 0

    def part(lines: Lines) -> Part:
        end = cutter.offset if assembler.pending_start is None else assembler.pending_start
        moved = Position(source, end, position.generation, position.head_length, position.head_crc)
        checkpoint = {identity.key(_ROOM): moved.dump()} if identity else {}
        return Part(Records(shown(source), prefix, lines.texts, lines.starts), size, checkpoint)

    failure = None
    while failure is None:
        try:
            chunk = next(chunks, b"")
        except _FAILURES as error:
            failure, chunk = error, b""
        size += len(chunk)
        if chunk:
            lines = assembler.add(cutter.feed(chunk), 0.0)
        else:
            # The half line before a damage waits for the repaired file.
            lines = Lines() if failure else assembler.add(cutter.rest(), 0.0)
            assembler.flush_into(lines)
        if lines.texts:
            yield part(lines)
            size = 0
        if not chunk:
            break
    if failure is not None and cutter.offset:
        raise InputError("tail.damaged", path=shown(path), offset=cutter.offset, reason=_reason(failure)) from failure
    if failure is not None:
        raise failure
