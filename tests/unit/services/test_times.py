from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.services.times import instant, zone_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-04-05T10:23:45Z", at(2025, 4, 5, 10, 23, 45)),
        ("2025-04-05T10:23:45.123Z", at(2025, 4, 5, 10, 23, 45) + 123_000),
        ("2025-04-05T10:23:45.123456789Z", at(2025, 4, 5, 10, 23, 45) + 123_456),
        ("2025-04-05 10:23:45,120+08:00", at(2025, 4, 5, 2, 23, 45) + 120_000),
        ("2025-04-05T10:23:45 -0330", at(2025, 4, 5, 13, 53, 45)),
        ("2025/04/05 10:23:45 UTC", at(2025, 4, 5, 10, 23, 45)),
        ("2025-04-05 10:30+00", at(2025, 4, 5, 10, 30)),
        ("2016-12-31T23:59:60Z", at(2017, 1, 1)),
        (1743848625, at(2025, 4, 5, 10, 23, 45)),
        (1743848625.5, at(2025, 4, 5, 10, 23, 45) + 500_000),
        (1743848625123, at(2025, 4, 5, 10, 23, 45) + 123_000),
        (1743848625123456, at(2025, 4, 5, 10, 23, 45) + 123_456),
        (1743848625123456789, at(2025, 4, 5, 10, 23, 45) + 123_456),
        ("1743848625.25", at(2025, 4, 5, 10, 23, 45) + 250_000),
    ],
)
def test_a_time_with_a_zone_or_a_number_is_the_same_everywhere(written, expected):
    assert instant(written, SHANGHAI) == expected == instant(written, ZoneInfo("America/New_York"))


@pytest.mark.parametrize("written", ["2024-05-13 14:22:31", "2024-05-13T14:22:31", "2024/05/13 14:22:31"])
def test_a_time_without_a_zone_is_read_in_the_zone_of_the_source(written):
    assert instant(written, SHANGHAI) == at(2024, 5, 13, 6, 22, 31)


def test_summer_and_winter_of_one_zone_differ():
    berlin = ZoneInfo("Europe/Berlin")
    assert instant("2025-01-05 10:00", berlin) == at(2025, 1, 5, 9)
    assert instant("2025-07-05 10:00", berlin) == at(2025, 7, 5, 8)


def test_a_date_alone_is_its_midnight():
    assert instant("2025-04-05", SHANGHAI) == at(2025, 4, 4, 16)


def test_a_time_without_a_year_gets_the_one_before_its_arrival():
    assert instant("Dec 31 23:59:59", ZoneInfo("UTC"), near=at(2026, 1, 1, 0, 1)) == at(2025, 12, 31, 23, 59, 59)
    assert instant("Jan  1 00:00:01", ZoneInfo("UTC"), near=at(2026, 1, 1, 0, 1)) == at(2026, 1, 1) + 1_000_000


@pytest.mark.parametrize(
    "written",
    [None, True, "", "yesterday", "2025-13-01T00:00:00Z", "2025-02-30", "25:61", "2025-04-05T10:23:45+99:00", 0, 12.5,
     float("nan"), float("inf"), 10**400, [], {}, "9" * 500, "Foo  1 00:00:01"],
)  # fmt: skip
def test_what_is_no_time_is_none(written):
    assert instant(written, SHANGHAI) is None


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(max_size=40), st.floats(), st.integers(), st.none(), st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ?")
    )
)
def test_nothing_makes_it_fail(written):
    assert instant(written, SHANGHAI) is None or isinstance(instant(written, SHANGHAI), int)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_datetime_writes_is_read_back(moment):
    assert instant(moment.isoformat()) == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(KeyError):
        zone_of("Mars/Olympus")
