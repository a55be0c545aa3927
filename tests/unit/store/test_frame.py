from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.batch import SCHEMA, Batch
from safelight.store import frame

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.none() | st.text(max_size=40)
ROW = st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=10),
        "timestamp": st.integers(0, 10**16).map(lambda us: EPOCH + timedelta(microseconds=us)),
        "message": TEXT,
        "traceback": TEXT,
        "attributes": TEXT,
        "duration_ms": st.none() | st.floats(allow_nan=False),
    }
)


def file_of(*batches: Batch, checkpoint: dict[str, str | None] | None = None) -> bytes:
    """A hot file with one frame a batch."""
    pieces, salt = frame.encode_opening("2026-11-22", {"old": "7"}, {"b0": (1, 2)}, 3)
    seq = 3
    for batch in batches:
        packed = frame.pack(record(batch))
        note = frame.Note(seq, packed.rows, checkpoint or {}, f"b{seq}", packed.columns)
        pieces += frame.encode(note, packed.payload, salt)
        seq += packed.rows
    return b"".join(pieces)


def record(batch: Batch) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(batch.table.to_pylist(), schema=SCHEMA)


def read(data: bytes) -> frame.Reading:
    return frame.read(pa.py_buffer(data))


def rows(reading: frame.Reading) -> list[list[dict[str, object]]]:
    schema = pa.ipc.read_schema(reading.frames[0].payload) if reading.frames else SCHEMA
    batches = [frame.unpack(one, schema) for one in reading.frames if not one.note.opening]
    return [batch.to_pylist() if batch is not None else [] for batch in batches]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ROW, max_size=5), max_size=4), st.dictionaries(st.text(max_size=5), TEXT, max_size=3))
def test_what_is_written_is_read_back(written, checkpoint):
    batches = [Batch.of(batch) for batch in written]
    reading = read(file_of(*batches, checkpoint=checkpoint))
    assert reading.torn == 0
    assert reading.damaged == []
    assert rows(reading) == [batch.table.to_pylist() for batch in batches]
    assert all(one.note.checkpoint == checkpoint for one in reading.frames[1:])


def test_a_batch_without_rows_is_a_frame_that_still_moves_its_offsets(events):
    reading = read(file_of(events(0, 0), checkpoint={"file": "100"}))
    assert [one.note.rows for one in reading.frames] == [0, 0]
    assert reading.frames[1].note.checkpoint == {"file": "100"}


def test_a_file_cut_anywhere_gives_exactly_its_whole_frames(events):
    whole = file_of(events(0, 3), events(3, 1), events(4, 2))
    ends = [0]
    position = 0
    while position < len(whole):
        _, payload, note, _ = frame.HEADER.unpack_from(whole, position)
        position += frame.HEADER.size + payload + note
        ends.append(position)
    assert ends[-1] == len(whole)
    for cut in range(ends[1], len(whole), 7):
        reading = read(whole[:cut])
        expected = sum(end <= cut for end in ends) - 1
        assert len(reading.frames) == expected
        assert reading.end == ends[expected]
        assert reading.torn == cut - ends[expected]
        assert reading.damaged == []


def test_a_changed_byte_costs_its_frame_and_no_other(events):
    whole = file_of(events(0, 3), events(3, 1), events(4, 2))
    _, payload, note, _ = frame.HEADER.unpack_from(whole, 0)
    opening = frame.HEADER.size + payload + note
    _, payload, note, _ = frame.HEADER.unpack_from(whole, opening)
    second = opening + frame.HEADER.size + payload + note
    good = rows(read(whole))
    for position in range(opening, second, 11):
        broken = bytearray(whole)
        broken[position] ^= 0x55
        reading = read(bytes(broken))
        assert rows(reading) == good[1:]
        assert reading.damaged == [(opening, second)]
        assert reading.torn == 0


def test_without_its_opening_nothing_in_a_file_is_trusted(events):
    whole = bytearray(file_of(events(0, 3), events(3, 1)))
    whole[20] ^= 0xFF
    reading = read(bytes(whole))
    assert reading.frames == []
    assert reading.damaged == [(0, len(whole))]


def test_a_log_line_that_imitates_a_frame_does_not_pass_for_one_behind_damage(events):
    forged = b"".join(frame.encode(frame.Note(999, 0, {"file": "stolen"}), pa.py_buffer(b""), 0))
    pieces, salt = frame.encode_opening("2026-11-22", {}, {}, 1)
    honest = frame.encode(frame.Note(1, 0, {"file": "1"}), pa.py_buffer(b"\0" * 8 + forged), salt)
    last = frame.encode(frame.Note(1, 0, {"file": "2"}), pa.py_buffer(b""), salt)
    data = bytearray(b"".join([*pieces, *honest, *last]))
    data[sum(len(memoryview(piece)) for piece in pieces) + frame.HEADER.size] ^= 1  # the honest frame is damaged
    reading = read(bytes(data))
    assert [one.note.checkpoint for one in reading.frames] == [{}, {"file": "2"}]


@pytest.mark.parametrize("garbage", [b"", b"\0", b"SLF1", b"\0" * 4096, b"SLF1" * 100])
def test_garbage_is_no_file(garbage):
    reading = read(garbage)
    assert reading.frames == []
    assert reading.end == 0


def test_frames_are_read_in_place(events):
    data = pa.py_buffer(file_of(events(0, 3)))
    reading = frame.read(data)
    assert all(one.payload.address % 8 == data.address % 8 for one in reading.frames)
