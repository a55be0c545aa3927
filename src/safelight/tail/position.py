"""Which file is which, across renames and restarts, and how far it has been read."""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec

HEAD_BYTES: Final = 256
"""The first bytes of a file tell it from another that got its inode number later; 256 reach past a first timestamp."""
MARK_BYTES: Final = 256
"""Before the place up to which a file was read, so many bytes are known again: a time and a message."""

ReadAt = Callable[[int, int], bytes]
"""So many bytes (second) of a content from a place (first) on, fewer at its end."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same when a file is renamed."""

    device: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Identity:
        """The identity behind a `stat`."""
        return cls(stat.st_dev, stat.st_ino)

    def key(self, room: str) -> str:
        """Under which the position is committed, such as `file:2049:131`."""
        return f"{room}:{self.device}:{self.inode}"

    @classmethod
    def parse(cls, key: str, room: str) -> Identity | None:
        """From what `key` gave; None for a key of another room or form."""
        device, _, inode = key.removeprefix(f"{room}:").partition(":")
        known = key.startswith(f"{room}:") and device.isdecimal() and inode.isdecimal()
        return cls(int(device), int(inode)) if known else None


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """By what a content is known again: how it begins, and what stands before the place up to which it was read."""

    path: str
    offset: int
    head_length: int
    head_crc: int
    mark_length: int = 0
    """Of the bytes just before `offset`; 0 in positions that were kept before there were marks."""
    mark_crc: int = 0
    at_ms: int = 0
    """When it was seen that its file does not hold it any more."""

    def begins(self, head: bytes) -> bool:
        """Whether a content with this head may begin with it. Without a head of its own it is not known again."""
        length = self.head_length
        return 0 < length <= len(head) and zlib.crc32(head[:length]) == self.head_crc

    def is_in(self, read: ReadAt) -> bool:
        """Whether what `read` reads begins with it, up to `offset`."""
        return _begins(self.head_length, self.head_crc, read) and _has_mark(self, read)


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a file is done: everything before `offset` is durable.

    `generation` (ms since 1970, when this content was first seen) changes when the file is truncated or its inode
    is used again, so that the ids of its lines never meet those of the earlier content.
    """

    path: str
    offset: int
    generation: int
    head_length: int
    head_crc: int
    raw_path: bytes = b""
    """The path's bytes, only in its text form and only where they are no UTF-8."""
    mark_length: int = 0
    """Of the bytes just before `offset`, by which a file that was truncated and is longer again is told."""
    mark_crc: int = 0
    mid_line: bool = False
    """`offset` is inside a line that was cut: the rest of it is not wanted."""
    packed_size: int = 0
    """Of a compressed file that was read as a whole: its size then. Offset, head and mark are of the content."""
    before: Content | None = None
    """What the file held before it was truncated: a copy of that may have been made."""

    @classmethod
    def first(cls, path: str, fd: int, offset: int = 0, earlier: Position | None = None) -> Position:
        """Of content that has not been read before; `earlier` is of what was in its place."""
        position = cls(path, 0, new_generation(earlier), *_head(reader(fd), HEAD_BYTES))
        if earlier is not None:
            position = replace_position(position, before=earlier.content(time.time_ns() // 1_000_000))
        return position.at(path, offset, reader(fd)) if offset else position

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """From what `dump` wrote; None when it is something else."""
        try:
            position = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return None
        if position.raw_path:
            return replace_position(position, path=os.fsdecode(position.raw_path), raw_path=b"")
        return position

    def dump(self) -> str:
        """As text, for the checkpoint."""
        kept = self
        if self.before is not None:
            kept = replace_position(self, before=replace_position(self.before, path=shown(self.before.path)))
        readable = shown(self.path)
        if readable != self.path:
            kept = replace_position(kept, path=readable, raw_path=os.fsencode(self.path))
        return msgspec.json.encode(kept).decode()

    def content(self, at_ms: int = 0) -> Content:
        """What was read, to be known again elsewhere."""
        return Content(self.path, self.offset, self.head_length, self.head_crc, self.mark_length, self.mark_crc, at_ms)

    @property
    def tells(self) -> bool:
        """Whether it says anything of the content: where nothing is done, a file that got the inode fits as well."""
        return self.offset > 0

    def fits(self, fd: int) -> bool:
        """Whether this file still holds what was read, and reaches as far."""
        return os.fstat(fd).st_size >= self.offset and self.holds(reader(fd))

    def begins(self, fd: int) -> bool:
        """Whether this file still begins as the one that was read."""
        return _begins(self.head_length, self.head_crc, reader(fd))

    def holds(self, read: ReadAt) -> bool:
        """Whether what was read is still there: the same head, and the same bytes before the offset."""
        return _begins(self.head_length, self.head_crc, read) and _has_mark(self, read)

    def at(self, path: str, offset: int, read: ReadAt, *, mid_line: bool = False) -> Position:
        """Further on in the same content. A head that was short when first seen is taken again, longer."""
        head_length, head_crc = self.head_length, self.head_crc
        if head_length < HEAD_BYTES:
            head_length, head_crc = _head(read, HEAD_BYTES)
        mark = read(max(0, offset - MARK_BYTES), min(MARK_BYTES, offset))
        return Position(
            path,
            offset,
            self.generation,
            head_length,
            head_crc,
            mark_length=len(mark),
            mark_crc=zlib.crc32(mark),
            mid_line=mid_line,
            before=self.before,
        )


replace_position = msgspec.structs.replace


def shown(path: str) -> str:
    r"""The path as text that can be stored and printed: bytes that are no UTF-8 as `\xc4`."""
    try:
        path.encode()
    except UnicodeEncodeError:  # PEP 383: a lone surrogate stands for each such byte
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def line_prefix(identity: Identity, generation: int) -> str:
    """The first half of the ids of a file's lines; the other half is the line's offset (store invariant 5)."""
    name = f"{socket.gethostname()}|{identity.device}|{identity.inode}|{generation}"
    return blake2b(name.encode(), digest_size=8).hexdigest()


def new_generation(earlier: Position | None) -> int:
    """Of content that is seen for the first time, in the place of what `earlier` was read from."""
    now_ms = time.time_ns() // 1_000_000
    return now_ms if earlier is None else max(now_ms, earlier.generation + 1)


def opened_as(path: str, identity: Identity) -> int:
    """A descriptor of this file; -1 when another is at its place. Never waits, also for a pipe. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if Identity.of(os.fstat(fd)) == identity:
        return fd
    os.close(fd)
    return -1


def reader(fd: int) -> ReadAt:
    """What stands where in this file."""
    return lambda offset, length: os.pread(fd, length, offset)


def _head(read: ReadAt, length: int) -> tuple[int, int]:
    head = read(0, length).rstrip(b"\0")  # what was only allocated is still to be written
    return len(head), zlib.crc32(head)


def _begins(length: int, crc: int, read: ReadAt) -> bool:
    head = read(0, length)
    return (len(head), zlib.crc32(head)) == (length, crc)


def _has_mark(seen: Content | Position, read: ReadAt) -> bool:
    mark = read(seen.offset - seen.mark_length, seen.mark_length)
    return (len(mark), zlib.crc32(mark)) == (seen.mark_length, seen.mark_crc)


__all__ = ["Content", "Identity", "Position", "line_prefix", "new_generation", "opened_as", "reader", "shown"]
