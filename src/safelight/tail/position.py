"""Which file is which, across renames and restarts, and how far it has been read."""

from __future__ import annotations

import os
import socket
import time
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec

HEAD_BYTES: Final = 256
"""The first bytes of a file tell it from another that got its inode number later; 256 reach past a first timestamp."""


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

    @classmethod
    def first(cls, path: str, fd: int, offset: int = 0, earlier: Position | None = None) -> Position:
        """Of content that has not been read before; `earlier` is of what was in its place."""
        now_ms = time.time_ns() // 1_000_000
        generation = now_ms if earlier is None else max(now_ms, earlier.generation + 1)
        return cls(path, offset, generation, *_head(fd, HEAD_BYTES))

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
        readable = shown(self.path)
        if readable == self.path:
            return msgspec.json.encode(self).decode()
        return msgspec.json.encode(replace_position(self, path=readable, raw_path=os.fsencode(self.path))).decode()

    def fits(self, fd: int) -> bool:
        """Whether this file still begins as the one that was read, and reaches as far."""
        return os.fstat(fd).st_size >= self.offset and self.begins(fd)

    def begins(self, fd: int) -> bool:
        """Whether this file still begins as the one that was read."""
        return _head(fd, self.head_length) == (self.head_length, self.head_crc)

    def at(self, path: str, offset: int, fd: int) -> Position:
        """Further on in the same file. A head that was short when first seen is taken again, longer."""
        moved = replace_position(self, path=path, offset=offset)
        if self.head_length >= HEAD_BYTES:
            return moved
        length, crc = _head(fd, HEAD_BYTES)
        return replace_position(moved, head_length=length, head_crc=crc)


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


def _head(fd: int, length: int) -> tuple[int, int]:
    head = os.pread(fd, length, 0)
    return len(head), zlib.crc32(head)


__all__ = ["Identity", "Position", "line_prefix", "shown"]
