from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.errors import QueryError
from safelight.query.times import EARLIEST, LATEST, bounds, duration, instant, interval

NOW = datetime(2026, 11, 22, 12, 30, 15, 250_000, UTC)
SHANGHAI = timezone(timedelta(hours=8))


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800), ("1W", 604_800)],
)
def test_durations_are_read(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "-5m", "5y", "1h-5m", "99999999999999d", "٣m"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(QueryError, match="is not a duration"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", at(2026, 11, 22)),
        ("2026-11", at(2026, 11, 1)),
        ("2026-11-22T10", at(2026, 11, 22, 10)),
        ("2026-11-22T10:20:30Z", at(2026, 11, 22, 10, 20, 30)),
        ("2026-11-22 10:20:30.5", at(2026, 11, 22, 10, 20, 30, 500_000)),
        ("2026-11-22T10:20:30,123456789Z", at(2026, 11, 22, 10, 20, 30, 123_456)),
        ("2026-11-22T10:00:00+08:00", at(2026, 11, 22, 2)),
        ("2026-11-22T10:00+0800", at(2026, 11, 22, 2)),
        ("now", NOW),
        ("now()", NOW),
        ("now-1h", NOW - timedelta(hours=1)),
        ("now() - 1d", NOW - timedelta(days=1)),
        ("now+1d-1h", NOW + timedelta(hours=23)),
        ("now-1h30m", NOW - timedelta(minutes=90)),
        ("now/d", at(2026, 11, 22)),
        ("now-1d/h", at(2026, 11, 21, 12)),
        ("now/w", at(2026, 11, 16)),
        ("1764000000", at(2025, 11, 24, 16)),
        ("1764000000123", at(2025, 11, 24, 16, 0, 0, 123_000)),
        ("1764000000123456789", at(2025, 11, 24, 16, 0, 0, 123_456)),
    ],
)
def test_times_are_read_as_people_write_them(text, expected):
    assert instant(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01", "2026-02-30", "now-1y", "now--1h", "now-", "2026-11-22T25", "12345", "10:30"],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(QueryError, match="is not a time"):
        instant(text, NOW)


def test_a_time_without_a_zone_and_the_borders_of_days_are_those_of_the_reader():
    reader = NOW.astimezone(SHANGHAI)
    assert instant("2026-11-22", reader) == at(2026, 11, 21, 16)
    assert instant("now/d", reader) == at(2026, 11, 21, 16)
    assert instant("2026-11-22T10:00:00Z", reader) == at(2026, 11, 22, 10)


@pytest.mark.parametrize(
    ("text", "length"),
    [("2026-11", 30), ("2026-12", 31), ("2026-02", 28), ("2026-11-22", 1), ("now/w", 7)],
)
def test_a_date_covers_its_days(text, length):
    found = interval(text, NOW)
    assert found.whole
    assert found.end - found.start == timedelta(days=length)


@pytest.mark.parametrize(
    ("op", "start", "end"),
    [
        ("=", at(2026, 11, 22), at(2026, 11, 23)),
        (">", at(2026, 11, 23), None),
        (">=", at(2026, 11, 22), None),
        ("<", None, at(2026, 11, 22)),
        ("<=", None, at(2026, 11, 23)),
    ],
)
def test_comparing_with_a_date_means_the_whole_day(op, start, end):
    assert bounds(op, "2026-11-22", NOW) == (start, end)


def test_comparing_with_a_time_of_day_means_that_moment():
    moment, next_moment = at(2026, 11, 22, 10), at(2026, 11, 22, 10, 0, 0, 1)
    assert bounds(">", "2026-11-22T10:00:00Z", NOW) == (next_moment, None)
    assert bounds("<=", "2026-11-22T10:00:00Z", NOW) == (None, next_moment)
    assert bounds("=", "2026-11-22T10:00:00Z", NOW) == (moment, moment + timedelta(seconds=1))


def test_a_shift_beyond_all_time_stops_at_its_ends():
    assert instant("now-999999d", NOW) == EARLIEST
    assert instant("now+99999999d", NOW) == LATEST


@given(st.text(max_size=30) | st.from_regex(r"now([-+][0-9]{1,4}(ms|[smhdw])){0,3}(/[smhdw])?", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_time_or_a_query_error(text):
    try:
        found = interval(text, NOW)
    except QueryError:
        return
    assert found.start.tzinfo is UTC
    assert found.start < found.end
