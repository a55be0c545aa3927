from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from safelight.batch import Batch
from safelight.errors import StoreError
from safelight.store.files import listing


def day(number: int, count: int = 50) -> Batch:
    start = datetime.now(UTC) - timedelta(days=number)
    return Batch.of(
        {"id": f"d{number}-{n}", "timestamp": start, "message": "x" * 50 + str(n * 7919)} for n in range(count)
    )


@pytest.fixture
def week(opened):
    store = opened()
    for number in range(7, 0, -1):
        store.append(day(number))
        store.seal()
    return store


def test_segments_older_than_the_limit_go(week, all_ids):
    removed = week.retain(timedelta(days=4, hours=12))
    assert (removed.segments, removed.events) == (3, 150)
    assert removed.oldest is not None
    assert removed.oldest < removed.newest < datetime.now(UTC) - timedelta(days=4)
    assert {name.split("-")[0] for name in all_ids(week)} == {"d4", "d3", "d2", "d1"}
    assert sum(file.sealed for file in listing(week.directory)) == 4
    assert week.figures().events == 200


def test_the_oldest_go_until_the_rest_fits(week, all_ids):
    total = week.figures().bytes
    removed = week.retain(None, int(total * 0.6))
    assert 2 <= removed.segments <= 4
    assert week.figures().bytes <= total * 0.6
    assert removed.bytes == total - week.figures().bytes
    assert "d1-0" in all_ids(week)


def test_within_the_limits_nothing_goes(week):
    removed = week.retain(timedelta(days=30), 10**12)
    assert (removed.segments, removed.events, removed.oldest) == (0, 0, None)


def test_what_is_not_sealed_yet_stays(opened, all_ids):
    store = opened()
    store.append(day(400, 3))
    assert store.retain(timedelta(days=1), 0).segments == 0
    assert len(all_ids(store)) == 3


def test_positions_and_numbers_outlive_all_events(week, opened, events):
    week.append(events(0), {"file": "9"}, "b9")
    week.seal()
    assert week.retain(None, 0).segments == 8
    store = opened()
    assert store.figures().events == 0
    assert store.checkpoint() == {"file": "9"}
    assert store.append(events(1)).first_seq == 352
    assert store.append(events(0), None, "b9").first_seq == 351


def test_what_was_removed_does_not_come_back_with_a_superseded_leftover(opened, events, all_ids):
    store = opened()
    store.append(day(9))
    hot = store.directory / "hot-000001.arrows"
    leftover = hot.read_bytes()
    store.seal()
    hot.write_bytes(leftover)  # its deletion had failed
    store.retain(timedelta(days=1))
    store = opened()
    assert all_ids(store) == []


def test_who_only_reads_may_not_remove(week, opened):
    week.close()
    store = opened(read_only=True)
    with pytest.raises(StoreError):
        store.retain(timedelta(days=1))
