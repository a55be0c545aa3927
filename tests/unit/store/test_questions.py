from __future__ import annotations

import random
import threading
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from safelight.batch import Batch
from safelight.errors import QueryError, QueryTooCostly
from safelight.query.sql import EVERYTHING, Span, Sql
from safelight.store import Cursor
from safelight.store.catalog import FOOTER_KEY
from safelight.store.segments import SegmentStore

ALL = Sql("TRUE")


@pytest.fixture
def crowded(opened, events, t0, monkeypatch):
    """200 events in hot and sealed files whose times overlap: some come late, some from the future, some together."""
    monkeypatch.setattr("safelight.store.hot.MAX_EVENTS", 9)
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 6)
    rng = random.Random(3)
    store = opened()
    rows = []
    for index in range(200):
        offset = index + rng.choice([0, 0, 0, -150, 40])
        rows.append(
            {
                "id": f"e{index}",
                "timestamp": t0 + timedelta(seconds=offset // 3),
                "level": rng.choice(["INFO", "ERROR"]) if index % 9 == 0 else "INFO",
                "node": rng.choice(["KSampler", "VAEDecode", None]),
                "message": f"step {index}",
                "duration_ms": float(index),
            }
        )
    position = 0
    while position < len(rows):
        size = rng.choice([1, 2, 7, 19])
        store.append(Batch.of(rows[position : position + size]))
        position += size
        if position in range(60, 150) and rng.random() < 0.3:
            store.maintain()
    figures = store.figures()
    assert figures.events == 200
    assert figures.segments >= 3
    assert len(store._writer.waiting()) >= 3
    return store, [row | {"seq": number} for number, row in enumerate(rows, 1)]


SPANS = [
    EVERYTHING,
    Span(after_seq=50),
    Span(upto_seq=120),
    Span(after_seq=99, upto_seq=101),
    Span(after_seq=500),
]


def expected(rows, test, span, t0, start=None, end=None):
    return [
        row
        for row in rows
        if test(row)
        and (span.after_seq is None or row["seq"] > span.after_seq)
        and (span.upto_seq is None or row["seq"] <= span.upto_seq)
        and (start is None or row["timestamp"] >= t0 + timedelta(seconds=start))
        and (end is None or row["timestamp"] < t0 + timedelta(seconds=end))
    ]


CONDITIONS = [
    (ALL, lambda row: True),
    (Sql("level = ?", ("ERROR",)), lambda row: row["level"] == "ERROR"),
    (
        Sql("node = ? AND duration_ms > ?", ("KSampler", 80.0)),
        lambda row: row["node"] == "KSampler" and row["duration_ms"] > 80,
    ),
    (Sql("id = ?", ("e77",)), lambda row: row["id"] == "e77"),
    (Sql("id = ?", ("nobody",)), lambda row: False),
]


@pytest.mark.parametrize("limit", [1, 3, 40, 1000])
@pytest.mark.parametrize("condition", range(len(CONDITIONS)))
def test_newest_and_oldest_agree_with_a_plain_sort(crowded, t0, condition, limit):
    store, rows = crowded
    where, test = CONDITIONS[condition]
    for span in SPANS:
        for start, end in ((None, None), (10, None), (None, 40), (12, 30)):
            timed = Span(
                t0 + timedelta(seconds=start) if start is not None else None,
                t0 + timedelta(seconds=end) if end is not None else None,
                span.after_seq,
                span.upto_seq,
            )
            matching = expected(rows, test, span, t0, start, end)
            by_time = sorted(matching, key=lambda row: (row["timestamp"], row["seq"]), reverse=True)
            newest = store.newest(where, timed, limit=limit)
            assert newest["id"].to_pylist() == [row["id"] for row in by_time[:limit]]
            assert newest.column_names[0] == "seq"
            oldest = store.oldest(where, timed, limit=limit)
            assert oldest["id"].to_pylist() == [row["id"] for row in matching[:limit]]


@pytest.mark.parametrize("size", [1, 7, 64])
def test_pages_show_every_event_once(crowded, size):
    store, rows = crowded
    seen: list[int] = []
    before = None
    while True:
        page = store.newest(ALL, limit=size, before=before)
        if not len(page):
            break
        seen += page["seq"].to_pylist()
        before = Cursor(page["timestamp"][-1].as_py(), page["seq"][-1].as_py())
    by_time = sorted(rows, key=lambda row: (row["timestamp"], row["seq"]), reverse=True)
    assert seen == [row["seq"] for row in by_time]


def test_any_select_sees_the_span_and_nothing_else(crowded, t0):
    store, rows = crowded
    sql = Sql("SELECT count(*) AS n, sum(duration_ms) AS d FROM events WHERE level = ?", ("INFO",))
    for span in SPANS:
        matching = expected(rows, lambda row: row["level"] == "INFO", span, t0)
        answer = store.run(sql, span).to_pylist()[0]
        assert answer["n"] == len(matching)
        assert (answer["d"] or 0) == sum(row["duration_ms"] for row in matching)
    timed = Span(t0 + timedelta(seconds=10), t0 + timedelta(seconds=20))
    matching = expected(rows, lambda row: True, EVERYTHING, t0, 10, 20)
    assert store.run(Sql("WITH x AS (SELECT id FROM events) SELECT id FROM x ORDER BY id"), timed)[
        "id"
    ].to_pylist() == sorted(row["id"] for row in matching)


def test_values_are_data_whatever_they_look_like(opened, events):
    store = opened()
    hostile = "'; DROP TABLE events; -- \" \\ %_ 显存"
    store.append(events(0, 1, message=hostile))
    store.seal()
    assert len(store.newest(Sql("message = ?", (hostile,)), limit=5)) == 1
    assert len(store.newest(Sql("contains(message, ?)", ("显存",)), limit=5)) == 1


def test_times_come_back_as_utc_microseconds(opened, events, t0):
    store = opened()
    store.append(events(0))
    store.seal()
    store.append(events(1))
    table = store.newest(ALL, limit=2)
    assert table.schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert table["timestamp"].to_pylist() == [t0 + timedelta(seconds=1), t0]
    sql = Sql("SELECT date_trunc('minute', timestamp) AS at, timestamp AS t FROM events ORDER BY t LIMIT 1")
    assert store.run(sql).to_pylist() == [{"at": t0, "t": t0}]


def test_a_directory_whose_name_looks_like_a_pattern_works(tmp_path, events, all_ids):
    with SegmentStore.open(tmp_path / "it's [1]* data?") as store:
        store.append(events(0, 3))
        store.seal()
        assert all_ids(store) == ["e0", "e1", "e2"]


def test_a_question_over_its_time_is_stopped(opened, events):
    store = opened()
    store.append(events(0, 1000))
    slow = Sql("SELECT sum(a.duration_ms * b.duration_ms * c.duration_ms) FROM events a, events b, events c")
    with pytest.raises(QueryTooCostly) as stopped:
        store.run(slow, timeout_s=0.2)
    assert stopped.value.key == "store.too_slow"
    assert len(store.newest(ALL, limit=3)) == 3  # and only that one


def test_a_bad_expression_is_the_questions_fault(opened, events):
    store = opened()
    store.append(events(0, 5))
    store.seal()
    for where in (Sql("regexp_matches(message, ?)", ("[",)), Sql("nonsense = 1"), Sql("level = ")):
        with pytest.raises(QueryError) as refused:
            store.newest(where, limit=3)
        assert refused.value.key == "store.refused"
    assert store.problems == []


def test_a_segment_of_an_older_version_has_nulls_in_newer_columns(opened, events):
    store = opened()
    store.append(events(0, 3))
    store.seal()
    store.append(events(3, 2))
    store.seal()
    store.close()
    path = store.directory / "seg-000001.parquet"
    old = pq.read_table(path).drop_columns(["error_group"]).append_column("forgotten", pa.array(["x"] * 3))
    footer = {FOOTER_KEY: pq.read_metadata(path).metadata[FOOTER_KEY]}
    pq.write_table(old.replace_schema_metadata(footer), path)
    store = opened()
    assert store.newest(ALL, limit=9)["error_group"].to_pylist() == [None] * 5
    assert store.run(Sql("SELECT count(error_group) AS g, count(*) AS n FROM events")).to_pylist() == [{"g": 0, "n": 5}]
    assert store.oldest(Sql("id = ?", ("e1",)), limit=1)["message"].to_pylist() == ["第 1 步 finished"]


def test_reading_goes_on_while_segments_come_and_go(opened, events, early, monkeypatch):
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 3)
    store = opened()
    store.append(events(0, 20))
    done = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not done.is_set():
            before = store.figures().events
            found = len(store.newest(ALL, limit=10_000))
            counted = store.run(Sql("SELECT count(*) AS n, count(DISTINCT id) AS d FROM events")).to_pylist()[0]
            if found < before or counted["n"] < found or counted["n"] != counted["d"]:
                wrong.append((before, found, counted))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for first in range(20, 620, 20):
        store.append(events(first, 20))
        store.maintain()
    done.set()
    for reader in readers:
        reader.join(30)
    assert wrong == []
    assert store.figures().segments < 15


def test_the_oldest_after_a_number_needs_no_file(opened, events, early, monkeypatch):
    store = opened()
    store.append(events(0, 30))
    store.seal()
    store.append(events(30, 5))
    for path in store.directory.glob("*.parquet"):
        path.rename(path.with_suffix(".elsewhere"))
    assert store.oldest(ALL, Span(after_seq=32), limit=100)["id"].to_pylist() == ["e32", "e33", "e34"]
