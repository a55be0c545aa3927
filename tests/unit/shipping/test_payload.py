from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.batch import SCHEMA, Batch
from safelight.buffer import Frame
from safelight.errors import StoreCorrupt
from safelight.shipping import payload
from safelight.shipping.payload import pack, unpack
from support.shipping import events

ROW = st.fixed_dictionaries(
    {
        "id": st.none() | st.text(max_size=5),
        "message": st.none() | st.text(max_size=40),
        "duration_ms": st.none() | st.floats(allow_nan=False),
        "attributes": st.none() | st.just('{"a":1}'),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROW, max_size=20), st.integers(1, 7))
def test_what_is_packed_is_unpacked(rows, most):
    batch = Batch.of(rows)
    frames = pack(batch, most)
    assert sum(frame.count for frame in frames) == len(batch)
    assert all(1 <= frame.count <= most for frame in frames)
    assert unpack(frames).table.equals(batch.table)


def test_no_frame_has_more_than_its_weight_unless_it_is_one_event(monkeypatch):
    monkeypatch.setattr(payload, "MOST_WEIGHT", 2_000)
    frames = pack(events(0, 100, message="x" * 100), 1_000)
    assert len(frames) > 5
    assert all(frame.weight <= 2_000 for frame in frames)
    assert [frame.count for frame in pack(events(0, 1, message="x" * 5_000), 1_000)] == [1]


def test_nothing_is_no_frame():
    assert pack(Batch(SCHEMA.empty_table()), 10) == []
    assert len(unpack([])) == 0


@pytest.mark.parametrize("meta", [{}, {"unpacked": "x"}, {"unpacked": "100"}, {"unpacked": "-1"}])
def test_what_is_no_events_is_told_apart(meta):
    with pytest.raises(StoreCorrupt):
        unpack([Frame(b"nonsense", 1, meta)])


def test_columns_of_another_version_are_left_out_and_those_it_lacked_are_null():
    table = pa.table({"id": ["a"], "of_tomorrow": [1]})
    frame = payload._packed(table)
    assert unpack([frame]).table.equals(Batch.of([{"id": "a"}]).table)
