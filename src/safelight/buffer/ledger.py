"""How far a queue is emptied, and which of its frames are being sent.

A file of two slots that are written in turn: half a write spoils one, and the other still stands. It never grows, so
that a full disk keeps nobody from emptying the queue.

    offset        size  what (little-endian)
    0 and 4,096   4     b"SLL1"
                  8     how often the ledger was written: the slot with the higher number counts
                  8     the queue's name, at random
                  8     number of the next frame that is not done
                  8     number of the last frame of the claim; below the former when nothing is claimed
                  4     CRC32 of the above
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import disk

NAME: Final = "ledger"
_SLOT: Final = struct.Struct("<4sQ8sQQ")
_CRC: Final = struct.Struct("<I")
_APART: Final = 4096
"""A sector is written whole or not at all; most have 512 bytes, the others 4,096."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger says."""

    queue: str
    head: int
    claimed: int
    written: int = 0


def read(directory: Path) -> Entry | None:
    """The newest entry that is sound; None when there is none. Raises OSError, but not for a ledger that is missing."""
    try:
        content = (directory / NAME).read_bytes()
    except FileNotFoundError:
        return None
    return max(filter(None, (_slot(content[at : at + _APART]) for at in (0, _APART))), key=_written, default=None)


class Ledger:
    """The ledger of a queue, open for writing. Not thread-safe: the queue's lock guards it."""

    def __init__(self, directory: Path, entry: Entry) -> None:
        """Made with `entry` if it is not there. Raises OSError."""
        path = directory / NAME
        self.entry = entry
        if not path.exists() or path.stat().st_size != 2 * _APART:
            disk.publish(path, lambda aside: _fill(aside, entry))
        self._descriptor = os.open(path, os.O_RDWR)

    def write(self, head: int, claimed: int) -> None:
        """Survives the end of this process; the end of the machine only after `sync`. Raises OSError."""
        entry = Entry(self.entry.queue, head, claimed, self.entry.written + 1)
        os.pwrite(self._descriptor, _packed(entry), entry.written % 2 * _APART)
        self.entry = entry

    def sync(self) -> None:
        """Wait until it is on the disk. Raises OSError."""
        disk.sync_data(self._descriptor)

    def is_there(self) -> bool:
        """Whether anybody will find it again. Raises OSError."""
        return os.fstat(self._descriptor).st_nlink > 0

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._descriptor)


def _packed(entry: Entry) -> bytes:
    packed = _SLOT.pack(b"SLL1", entry.written, bytes.fromhex(entry.queue), entry.head, entry.claimed)
    return packed + _CRC.pack(zlib.crc32(packed))


def _slot(content: bytes) -> Entry | None:
    if len(content) < _SLOT.size + _CRC.size:
        return None
    magic, written, queue, head, claimed = _SLOT.unpack_from(content)
    if magic != b"SLL1" or _CRC.unpack_from(content, _SLOT.size)[0] != zlib.crc32(content[: _SLOT.size]):
        return None
    return Entry(queue.hex(), head, claimed, written)


def _written(entry: Entry) -> int:
    return entry.written


def _fill(path: Path, entry: Entry) -> None:
    content = _packed(entry).ljust(_APART, b"\0")
    path.write_bytes(content + content)
