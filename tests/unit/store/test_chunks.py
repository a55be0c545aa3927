from __future__ import annotations

import random

import pyarrow as pa

from safelight.batch import SCHEMA, Batch
from safelight.store.chunks import BIG, Chunks, number


def record(batch: Batch) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(batch.table.to_pylist(), schema=SCHEMA)


def filled(sizes: list[int], events) -> Chunks:
    chunks = Chunks()
    sample = record(events(0, max(sizes)))
    seq = 1
    for size in sizes:
        chunks.add(number(sample.slice(0, size), seq))
        seq += size
    return chunks


def test_ten_thousand_batches_of_one_row_are_few_chunks(events):
    view = filled([1] * 10_000, events).view()
    assert len(view.chunks) < 60
    assert view.table()["seq"].to_pylist() == list(range(1, 10_001))


def test_events_stay_in_order_whatever_the_sizes(events):
    rng = random.Random(7)
    sizes = [rng.choice([1, 1, 1, 3, 40, BIG - 1, BIG, BIG + 5]) for _ in range(300)]
    view = filled(sizes, events).view()
    assert view.table()["seq"].to_pylist() == list(range(1, sum(sizes) + 1))
    assert view.extent.events == sum(sizes)
    assert (view.extent.min_seq, view.extent.max_seq) == (1, sum(sizes))


def test_a_span_of_numbers_is_cut_out_exactly(events):
    view = filled([1, 5, BIG, 2, 2, 30], events).view()
    last = view.extent.max_seq
    for after in (0, 1, 3, 6, BIG, last - 1, last, last + 5):
        for upto in (0, 1, 4, BIG + 3, last, last + 9):
            expected = [seq for seq in range(1, last + 1) if after < seq <= upto]
            assert view.table(after, upto)["seq"].to_pylist() == expected


def test_a_view_does_not_change_when_more_arrives(events):
    chunks = filled([3, 2], events)
    before = chunks.view()
    chunks.add(number(record(events(0, 4)), 6))
    assert before.table()["seq"].to_pylist() == [1, 2, 3, 4, 5]
    assert chunks.view().extent.events == 9


def test_gaps_where_frames_were_lost_are_no_trouble(events):
    chunks = Chunks()
    for first in (1, 10, 50):
        chunks.add(number(record(events(0, 3)), first))
    assert chunks.view().table(2, 50)["seq"].to_pylist() == [3, 10, 11, 12, 50]
