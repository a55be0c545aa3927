from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from safelight.batch import Batch
from safelight.store import seal
from safelight.store.catalog import Segment
from safelight.store.extent import Extent
from safelight.store.files import segment_file
from safelight.store.merge import choose
from safelight.store.upkeep import Stopped

HOUR_US = 3_600_000_000


def segments(*sizes: int, hours: float = 0.5, memory: int = 400) -> list[Segment]:
    """Sealed neighbours of so many events, one after the other in time."""
    made = []
    seq, us = 1, 0
    for number, events in enumerate(sizes, 1):
        extent = Extent(events, seq, seq + events - 1, us, us + int(hours * HOUR_US), events * memory)
        made.append(Segment(segment_file(Path(), number, number), extent, events * 20, current=True))
        seq, us = seq + events, us + int(hours * HOUR_US)
    return made


def chosen(*sizes: int, **options: float) -> list[int]:
    return [one.file.first for one in choose(segments(*sizes, **options))]


def test_eight_alike_become_one():
    assert chosen(*[100_000] * 7) == []
    assert chosen(*[100_000] * 8) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_large_one_is_not_rewritten_for_a_few_small_ones():
    assert chosen(800_000, *[100_000] * 7) == []
    assert chosen(800_000, *[100_000] * 8) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_smaller_ones_in_between_come_along():
    sizes = [100_000, 50, 100_000, 100_000, 50, 100_000, 100_000, 100_000, 100_000, 100_000]
    assert chosen(*sizes) == list(range(1, 11))


def test_no_segment_grows_over_its_limits():
    assert chosen(*[140_000] * 8) == []
    assert chosen(*[100_000] * 8, memory=4_000) == []


def test_a_merged_segment_spans_hardly_more_than_a_day():
    assert chosen(*[5_000] * 8, hours=24) == []
    assert chosen(*[5_000] * 8, hours=3) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_store_that_only_grows_keeps_few_segments():
    standing = []
    for number in range(1, 700):
        extent = Extent(1_000, number, number, number * 60_000_000, number * 60_000_000 + 59_000_000, 400_000)
        standing.append(Segment(segment_file(Path(), number, number), extent, 20_000, current=True))
        while group := choose(standing):
            first, last = group[0], group[-1]
            extent = Extent(
                sum(one.extent.events for one in group),
                first.extent.min_seq,
                last.extent.max_seq,
                first.extent.min_us,
                last.extent.max_us,
                sum(one.extent.memory for one in group),
            )
            merged = Segment(segment_file(Path(), first.file.first, last.file.last), extent, 1, current=True)
            standing = [one for one in standing if one not in group] + [merged]
            standing.sort(key=lambda one: one.file)
    assert len(standing) < 25
    assert sum(one.extent.events for one in standing) == 699_000


@pytest.fixture
def overlapping(opened, t0, monkeypatch):
    """Eight segments with late events and many equal times, merged into one of several row groups."""
    monkeypatch.setattr(seal, "ROW_GROUP_EVENTS", 100)
    monkeypatch.setattr("safelight.store.merge._STEP", 16)
    rng = random.Random(5)
    store = opened()
    index = 0
    for _ in range(8):
        offsets = [rng.randrange(60) for _ in range(rng.randrange(30, 70))]
        store.append(
            Batch.of(
                {"id": f"e{index + n}", "timestamp": t0 + timedelta(seconds=offset), "message": f"m{index + n}"}
                for n, offset in enumerate(offsets)
            )
        )
        index += len(offsets)
        store.seal()
    return store, index


def test_a_merged_segment_holds_every_event_once_in_order(overlapping):
    store, count = overlapping
    (path,) = store.directory.glob("seg-*.parquet")
    assert path.name == "seg-000001-000008.parquet"
    table = pq.read_table(path)
    assert sorted(table["seq"].to_pylist()) == list(range(1, count + 1))
    keys = list(zip(table["timestamp"].to_pylist(), table["seq"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    metadata = pq.read_metadata(path)
    assert metadata.num_row_groups == -(-count // 100)
    assert store.figures().events == count


def test_segments_are_plain_parquet_to_others(overlapping):
    store, count = overlapping
    (path,) = store.directory.glob("seg-*.parquet")
    assert duckdb.sql(f"SELECT count(DISTINCT id) AS n FROM '{path}'").to_arrow_table().to_pylist() == [{"n": count}]
    described = duckdb.sql(f"DESCRIBE FROM '{path}'").to_arrow_table().to_pylist()
    assert {row["column_name"]: row["column_type"] for row in described}["attributes"] == "VARCHAR"


def test_closing_does_not_wait_for_a_merge(opened, events, monkeypatch):
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 99)
    store = opened()
    for first in range(0, 40, 10):
        store.append(events(first, 10))
        store.seal()
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 3)
    store._upkeep._stop.set()
    with pytest.raises(Stopped):
        store.maintain()
    assert not list(store.directory.glob("*.tmp"))
    store = opened()
    store.maintain()
    assert store.figures().events == 40
