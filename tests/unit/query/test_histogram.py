from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.errors import QueryError
from safelight.query.ast import All
from safelight.query.histogram import NO_LEVEL, histogram
from safelight.query.parse import parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVENTS = [
    {"timestamp": NOW - timedelta(minutes=90), "level": "ERROR", "message": "old"},
    {"timestamp": NOW - timedelta(minutes=60), "level": "ERROR", "message": "boom"},
    {"timestamp": NOW - timedelta(minutes=59, seconds=30), "level": "INFO", "message": "fine"},
    {"timestamp": NOW - timedelta(seconds=1), "level": None, "message": "last"},
    {"timestamp": NOW, "level": "ERROR", "message": "after"},
]


def test_every_bucket_is_there_and_events_are_counted_by_level(over):
    chart = histogram(All(), NOW - timedelta(hours=1), NOW, NOW, 60)
    buckets = chart.buckets(over(EVENTS)(chart.sql))
    assert chart.step_ms == 60_000
    assert [bucket.at for bucket in buckets] == [NOW - timedelta(minutes=60 - place) for place in range(60)]
    assert {place: bucket.counts for place, bucket in enumerate(buckets) if bucket.counts} == {
        0: {"ERROR": 1, "INFO": 1},
        59: {NO_LEVEL: 1},
    }


def test_only_what_the_query_finds_is_counted(over):
    chart = histogram(parse("level:ERROR").filter, NOW - timedelta(hours=1), NOW, NOW)
    assert sum(sum(bucket.counts.values()) for bucket in chart.buckets(over(EVENTS)(chart.sql))) == 1


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(timedelta(microseconds=1), timedelta(days=40_000)),
    st.integers(1, 200),
)
def test_there_are_never_more_buckets_than_asked_and_one_and_they_cover_the_time(start, length, buckets):
    chart = histogram(All(), start, start + length, NOW, buckets)
    filled = chart.buckets([])
    assert len(filled) <= buckets + 1
    assert filled[0].at <= start
    assert filled[-1].at < start + length <= filled[-1].at + timedelta(milliseconds=chart.step_ms)


def test_a_time_that_ends_before_it_starts_is_refused():
    with pytest.raises(QueryError, match="is empty"):
        histogram(All(), NOW, NOW, NOW)
