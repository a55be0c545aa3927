"""One commit on disk: a frame of a hot file.

    offset  size  what
    0       4     b"SLF1"
    4       4     length of the payload, little-endian, a multiple of 8
    8       4     length of the note, likewise
    12      4     CRC32 of note, payload and lengths, seeded with the file's salt
    16            payload: an Arrow IPC record batch without its columns of nulls; in the opening frame the schema
                  note: JSON, padded with spaces

Every frame starts at a multiple of 8, so that Arrow reads it in place. The first frame of a file is its opening: it
holds the schema and the salt of all that follows, so that a log line that imitates a frame can never pass for one,
and everything a reader must know from earlier files: offsets, recent batch ids, the next number.
"""

from __future__ import annotations

import re
import secrets
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import pyarrow as pa

from ..batch import SCHEMA

MAGIC: Final = b"SLF1"
HEADER: Final = struct.Struct("<4sIII")
MAX_PAYLOAD: Final = 1 << 30
"""Bytes. A batch that takes more as Arrow is refused; sources make them a thousand times smaller."""


class Opening(msgspec.Struct, frozen=True):
    """What the first frame of a file brings over from the ones before it."""

    salt: int
    day: str  # the UTC date it was opened on, ISO 8601: a hot file is sealed when its day is over
    batch_ids: dict[str, tuple[int, int]]  # recent ones, oldest first, with the numbers of their events


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a frame says beside its events."""

    first_seq: int
    rows: int = 0
    checkpoint: dict[str, str | None] = {}
    batch_id: str | None = None
    columns: list[int] = []  # which columns of the schema the payload has; the others are null
    opening: Opening | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was read and whose checksum holds."""

    note: Note
    payload: pa.Buffer


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file held from some offset on."""

    frames: list[Frame]
    end: int  # bytes; after the last good frame
    torn: int  # bytes after `end` that are no frame: a commit that never finished
    damaged: list[tuple[int, int]]  # from, to: bytes that are no frame although good ones follow


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Note).decode
_MAGIC: Final = re.compile(re.escape(MAGIC))


@dataclass(frozen=True, slots=True)
class Packed:
    """Events ready to be written: made outside any lock, since nothing in it depends on the order of commits."""

    payload: pa.Buffer
    columns: list[int]
    rows: int


NOTHING: Final = Packed(pa.py_buffer(b""), [], 0)


def pack(batch: pa.RecordBatch) -> Packed:
    """The events as an Arrow IPC message without their columns of nulls."""
    if not batch.num_rows:
        return NOTHING
    columns = [index for index, column in enumerate(batch.columns) if column.null_count < batch.num_rows]
    return Packed(batch.select(columns).serialize(), columns, batch.num_rows)


def unpack(frame: Frame | Packed, schema: pa.Schema) -> pa.RecordBatch | None:
    """The events of a frame of a file with `schema`, in today's columns; None when it has none. Copies nothing."""
    columns, rows = (frame.note.columns, frame.note.rows) if isinstance(frame, Frame) else (frame.columns, frame.rows)
    if not rows:
        return None
    batch = pa.ipc.read_record_batch(frame.payload, pa.schema([schema.field(index) for index in columns]))
    present = dict(zip(batch.schema.names, batch.columns, strict=True))
    return pa.RecordBatch.from_arrays(
        [
            _nulls(field.type, rows) if (column := present.get(field.name)) is None else _as(column, field.type)
            for field in SCHEMA
        ],
        schema=SCHEMA,
    )


_NULLS: Final = {kind: pa.nulls(8192, kind) for kind in {field.type for field in SCHEMA}}


def _nulls(kind: pa.DataType, rows: int) -> pa.Array:
    """Nulls that share their memory: two thirds of the columns of a usual batch are nothing else."""
    shared = _NULLS[kind]
    return shared.slice(0, rows) if rows <= len(shared) else pa.nulls(rows, kind)


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    return column if column.type == kind else column.cast(kind)


def encode(note: Note, payload: pa.Buffer, salt: int) -> list[bytes | pa.Buffer]:
    """The frame, as the pieces to be written one after the other."""
    text = _encode(note)
    text += b" " * (-len(text) % 8)
    head = HEADER.pack(MAGIC, payload.size, len(text), _checksum(payload, text, salt))
    return [head, payload, text]


def encode_opening(
    day: str, checkpoint: Mapping[str, str], batch_ids: dict[str, tuple[int, int]], next_seq: int
) -> tuple[list[bytes | pa.Buffer], int]:
    """The opening frame of a new file, and the salt of its other frames."""
    salt = secrets.randbits(32)
    opening = Opening(salt, day, batch_ids)
    return encode(Note(next_seq, checkpoint=dict(checkpoint), opening=opening), SCHEMA.serialize(), 0), salt


def _checksum(payload: pa.Buffer, text: bytes | memoryview, salt: int) -> int:
    lengths = struct.pack("<II", payload.size, len(text))
    return zlib.crc32(lengths, zlib.crc32(text, zlib.crc32(payload, salt)))


def read(data: pa.Buffer, offset: int = 0, salt: int | None = None) -> Reading:
    """Every good frame from `offset` on. A bad one is skipped to the next good one; when none follows, it is torn.

    `salt` is the file's, given when the reading starts behind the opening. Without a good opening nothing else in the
    file can be trusted: all of it is damaged.
    """
    view = memoryview(data)
    frames: list[Frame] = []
    damaged: list[tuple[int, int]] = []
    end = position = offset
    while position < data.size:
        found = _frame_at(view, data, position, 0 if salt is None else salt)
        if salt is None and (found is None or found.note.opening is None):
            return Reading([], 0, 0, [(0, data.size)])
        if found is None:
            position = _next_magic(view, position + 1)
            continue
        if position > end:
            damaged.append((end, position))
        if salt is None and found.note.opening:
            salt = found.note.opening.salt
        frames.append(found)
        _, payload_length, note_length, _ = HEADER.unpack_from(view, position)
        end = position = position + HEADER.size + payload_length + note_length
    return Reading(frames, end, data.size - end, damaged)


def _frame_at(view: memoryview, data: pa.Buffer, position: int, salt: int) -> Frame | None:
    if position + HEADER.size > data.size:
        return None
    magic, payload_length, note_length, checksum = HEADER.unpack_from(view, position)
    start = position + HEADER.size
    middle = start + payload_length
    stop = middle + note_length
    if magic != MAGIC or stop > data.size:
        return None
    payload, text = data.slice(start, payload_length), view[middle:stop]
    if _checksum(payload, text, salt) != checksum:
        return None
    try:
        return Frame(_decode(text), payload)
    except msgspec.DecodeError:
        return None


def _next_magic(view: memoryview, position: int) -> int:
    """Where the next frame may start: frames lie at multiples of 8."""
    while found := _MAGIC.search(view, position):
        if found.start() % 8 == 0:
            return found.start()
        position = found.start() + 1
    return len(view)
