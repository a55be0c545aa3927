"""A record of a queue's file.

    offset  size  what (little-endian)
    0       4     b"SLQ1"
    4       4     length of the payload
    8       4     length of the note
    12      4     CRC32 of the above
    16      4     CRC32 of payload and note
    20            payload: the frame's bytes
                  note: JSON

Both checksums are seeded with the file's salt, which stands in its name: a log line that imitates a record can never
pass for one, and no byte of the file is needed to read the others. The header's own checksum tells a record that was
torn off from one that is damaged, and spares a search among damage from believing lengths that mean nothing.
"""

from __future__ import annotations

import re
import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ..batch import Checkpoint
from . import Frame

MAGIC: Final = b"SLQ1"
_LENGTHS: Final = struct.Struct("<4sII")
_CHECKSUMS: Final = struct.Struct("<II")
HEADER: Final = _LENGTHS.size + _CHECKSUMS.size


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a record says beside its payload."""

    number: int  # of the frame; of a record without one, that of the frame before it
    last: int  # the number of the last frame that was appended together with it: all of them count, or none
    frame: bool = True  # false: only positions, such as in the first record of a file
    count: int = 0
    weight: int = 0
    at: float = 0.0
    meta: dict[str, str] = {}
    checkpoint: dict[str, str | None] = {}
    queue: str = ""  # in the first record of a file: the name of the queue


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read and whose checksums hold."""

    note: Note
    payload: bytes
    start: int
    end: int

    def frame(self) -> Frame:
        """As it was put in."""
        note = self.note
        return Frame(self.payload, note.count, note.meta, note.weight, note.number, note.at)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds."""

    records: list[Record]
    end: int  # bytes; after the last good record
    damaged: list[tuple[int, int]]  # from, to: bytes that are no record, with good ones after them
    torn: int = 0  # bytes after `end`, of a record that never was whole
    broken: int = 0  # bytes after `end`, of a record that was whole once


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Note).decode
_MAGIC: Final = re.compile(re.escape(MAGIC))


@dataclass(frozen=True, slots=True)
class Draft:
    """A record on its way into a file."""

    note: Note
    payload: bytes = b""
    text: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _encode(self.note))

    def __len__(self) -> int:
        return HEADER + len(self.payload) + len(self.text)


def drafts_of(frames: Sequence[Frame], first: int, checkpoint: Checkpoint) -> list[Draft]:
    """What is appended together, from this number on. The positions go with the last one."""
    at, last, moved = time.time(), first + len(frames) - 1, dict(checkpoint)
    if not frames:
        return [Draft(Note(last, last, frame=False, checkpoint=moved))]
    return [
        Draft(
            Note(
                number,
                last,
                count=one.count,
                weight=one.weight,
                at=at,
                meta=dict(one.meta),
                checkpoint=moved if number == last else {},
            ),
            one.payload,
        )
        for number, one in enumerate(frames, first)
    ]


def encode(draft: Draft, salt: int) -> bytes:
    """The record as it stands in a file."""
    payload, text = draft.payload, draft.text
    lengths = _LENGTHS.pack(MAGIC, len(payload), len(text))
    checksums = _CHECKSUMS.pack(zlib.crc32(lengths, salt), zlib.crc32(text, zlib.crc32(payload, salt)))
    return b"".join((lengths, checksums, payload, text))


def length(header: bytes | memoryview, salt: int) -> int | None:
    """Bytes of the record that begins with this header; None if it is none."""
    if len(header) < HEADER:
        return None
    lengths = header[: _LENGTHS.size]
    magic, payload, note = _LENGTHS.unpack(lengths)
    checksum, _ = _CHECKSUMS.unpack_from(header, _LENGTHS.size)
    return HEADER + payload + note if magic == MAGIC and zlib.crc32(lengths, salt) == checksum else None


def decode(data: bytes | memoryview, salt: int, start: int) -> Record | None:
    """The record that `data` begins with, and that begins at `start` in its file; None if it is damaged, or cut."""
    view = memoryview(data)
    whole = length(view[:HEADER], salt)
    if whole is None or whole > len(view):
        return None
    _, payload_length, _ = _LENGTHS.unpack_from(view)
    _, checksum = _CHECKSUMS.unpack_from(view, _LENGTHS.size)
    payload, text = view[HEADER : HEADER + payload_length], view[HEADER + payload_length : whole]
    if zlib.crc32(text, zlib.crc32(payload, salt)) != checksum:
        return None
    try:
        return Record(_decode(text), bytes(payload), start, start + whole)
    except msgspec.DecodeError:  # another version's
        return None


def read(data: bytes, salt: int, offset: int = 0) -> Reading:
    """Every good record from `offset` on. What is between them is damaged; what is behind them is torn, or broken."""
    view = memoryview(data)
    records: list[Record] = []
    damaged: list[tuple[int, int]] = []
    end = position = offset
    while position < len(data):
        found = decode(view[position:], salt, position)
        if found is None:
            magic = _MAGIC.search(data, position + 1)
            position = magic.start() if magic else len(data)
            continue
        if position > end:
            damaged.append((end, position))
        records.append(found)
        end = position = found.end
    rest = len(data) - end
    whole = length(view[end : end + HEADER], salt)
    if whole is not None and whole <= rest:
        return Reading(records, end, damaged, broken=rest)
    return Reading(records, end, damaged, torn=rest)
