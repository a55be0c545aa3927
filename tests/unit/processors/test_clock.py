"""Times in columns are read as one by one."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.processors.parse.clock import INSTANT, instants
from safelight.services.times import instant

ARRIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

MOMENT = st.integers(157_766_400, 7_258_118_400).map(lambda second: datetime.fromtimestamp(second + 0.25, UTC))
ISO = MOMENT.flatmap(
    lambda at: st.sampled_from(
        [
            at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            at.strftime("%Y-%m-%dT%H:%M:%S.%f+08:00"),
            at.strftime("%Y-%m-%dT%H:%M:%S-0330"),
            at.strftime("%Y-%m-%d %H:%M:%S,%f")[:-3],
            at.strftime("%Y/%m/%d %H:%M:%S"),
            at.strftime("%Y-%m-%d %H:%M"),
            at.strftime("%Y-%m-%d"),
            at.strftime("%b %d %H:%M:%S"),
            str(int(at.timestamp())),
        ]
    )
)
NUMBER = st.one_of(
    st.integers(-5, 10**21),
    st.integers(10**9, 2 * 10**9).flatmap(lambda s: st.sampled_from([s, s * 10**3, s * 10**6, s * 10**9 + 7])),
    st.floats(),
    st.floats(1e8, 2e9),
    st.sampled_from([1e8, 1e11, 1e14, 1e17, 1e20, 10**400, 99999999.9, 2.5e-3 + 1e9]),
)
ODD = st.sampled_from(["", "yesterday", "2026-13-01T00:00:00Z", "2026-11-21T10:00:00.123456789Z", "\ud800", True, None])


@settings(max_examples=300)
@given(written=st.lists(st.one_of(ISO, NUMBER, ODD), max_size=8))
def test_a_column_of_mixed_times_is_read_as_each_by_itself(written):
    near = pa.array([ARRIVED] * len(written), INSTANT)
    arrival = int(ARRIVED.timestamp()) * 1_000_000
    expected = [None if value is None else instant(value, BERLIN, arrival) for value in written]
    assert instants(written, BERLIN, near).cast(pa.int64()).to_pylist() == expected


@pytest.mark.parametrize("kind", [ISO, NUMBER], ids=["texts", "numbers"])
@settings(max_examples=100)
@given(data=st.data())
def test_a_column_of_one_kind_is_read_as_each_by_itself(kind, data):
    written = data.draw(st.lists(kind, max_size=8))
    near = pa.array([ARRIVED] * len(written), INSTANT)
    arrival = int(ARRIVED.timestamp()) * 1_000_000
    expected = [instant(value, BERLIN, arrival) for value in written]
    assert instants(written, BERLIN, near).cast(pa.int64()).to_pylist() == expected
