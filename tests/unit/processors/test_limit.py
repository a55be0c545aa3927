from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.processors import limit
from safelight.processors.limit import Limit

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def batch(count, second=0, **fields):
    arrived = NOW + timedelta(seconds=second)
    return Batch.of({"id": str(place), "received_at": arrived, **fields} for place in range(count))


def test_the_first_of_each_second_pass_and_a_quiet_time_fills_the_bucket():
    step = Limit(rate="10/s").step()
    assert [len(step(batch(count, second))) for second, count in [(0, 8), (0, 8), (1, 30), (9, 30), (9, 1)]] == [
        8,
        2,
        10,
        10,
        0,
    ]


def test_a_burst_may_be_larger_than_the_rate():
    step = Limit(rate="60/m", burst=5).step()
    assert [len(step(batch(9, second))) for second in (0, 1, 2, 60)] == [5, 1, 1, 5]


def test_each_source_and_user_counts_for_itself():
    step = Limit(rate="2/s", by=["source", "user_id", "job.id"]).step()
    rows = [
        {"id": str(place), "received_at": NOW, "source": source, "user_id": user, "attributes": job}
        for place, (source, user, job) in enumerate(
            [("a", None, None), ("a", "li", None), ("b", None, None), ("a", None, '{"job":{"id":7}}')] * 3
        )
    ]
    assert step(Batch.of(rows))["id"].to_pylist() == [str(place) for place in range(8)]


def test_everything_together_when_nothing_is_counted_apart():
    rows = [{"id": str(place), "received_at": NOW, "source": str(place)} for place in range(9)]
    assert len(Limit(rate="3/s", by=[]).step()(Batch.of(rows))) == 3


def test_only_what_where_finds_is_limited():
    rows = [{"id": str(place), "received_at": NOW, "level": ["DEBUG", "ERROR"][place % 2]} for place in range(10)]
    done = Limit(rate="1/s", where="level:<ERROR").step()(Batch.of(rows))
    assert done["level"].to_pylist() == ["DEBUG", "ERROR", "ERROR", "ERROR", "ERROR", "ERROR"]


def test_a_batch_of_several_seconds_is_counted_by_the_second():
    rows = [{"id": str(place), "received_at": NOW + timedelta(seconds=place // 10)} for place in range(50)]
    assert len(Limit(rate="3/s").step()(Batch.of(rows))) == 15


def test_what_was_imported_is_history():
    rows = [{"id": f"import-{place}", "received_at": NOW} for place in range(50)]
    assert len(Limit(rate="3/s").step()(Batch.of(rows))) == 50


def test_what_is_counted_apart_is_bounded(monkeypatch):
    monkeypatch.setattr(limit, "MOST_KEYS", 3)
    buckets = limit._Buckets(1, None)
    keys = Batch.of([{"source": str(place)} for place in range(9)])["source"].combine_chunks().dictionary_encode()
    assert buckets.over(keys, 0) == {}
    assert len(buckets._left) == 3


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), max_size=12))
def test_never_more_than_the_rate_and_a_burst_pass(steps):
    step, second, passed = Limit(rate="5/s", burst=7).step(), 0, 0
    for pause, count in steps:
        second += pause
        passed += len(step(batch(count, second)))
    assert passed <= 7 + 5 * second
    assert passed <= sum(count for _, count in steps)


@pytest.mark.parametrize("wrong", [{}, {"rate": "fast"}, {"rate": "0/s"}, {"rate": 10}, {"rate": "1/s", "burst": 0}])
def test_a_mistake_is_refused(wrong):
    with pytest.raises(ValidationError):
        Limit(**wrong)
