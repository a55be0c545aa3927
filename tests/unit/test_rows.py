from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from safelight.rows import iso, iso_column

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.none() | st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001


@given(st.lists(TIMES, max_size=6), st.integers(0, 3))
def test_a_column_of_times_is_written_as_each_of_them_is(times, first):
    column = pa.chunked_array([times[:first], times[first:]], pa.timestamp("us", "UTC"))
    assert iso_column(column).to_pylist() == [time and iso(time) for time in times]


def test_times_before_1970_and_after_9999_are_written_too():
    column = pa.array([-1, 253_402_300_800_000_000], pa.timestamp("us", "UTC"))
    assert iso_column(column).to_pylist() == ["1969-12-31T23:59:59.999999Z", "10000-01-01T00:00:00.000000Z"]
    assert iso(EPOCH - timedelta(microseconds=1)) == "1969-12-31T23:59:59.999999Z"
