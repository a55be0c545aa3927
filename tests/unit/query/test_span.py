from datetime import UTC, datetime, timedelta

import pytest

from safelight.query.compile import intersection, span
from safelight.query.parse import parse
from safelight.query.sql import EVERYTHING, Span

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("level:ERROR", EVERYTHING),
        ("timestamp:>=now-1h", Span(NOW - HOUR)),
        ("timestamp:>now-1h", Span(NOW - HOUR + TICK)),
        ("@timestamp:<now", Span(None, NOW)),
        ("timestamp:<=now a", Span(None, NOW + TICK)),
        ("timestamp:2026-11-22", Span(DAY, DAY + 24 * HOUR)),
        ("timestamp:[now-2h TO now}", Span(NOW - 2 * HOUR, NOW)),
        ("timestamp:[now-2h TO *]", Span(NOW - 2 * HOUR)),
        ("timestamp:>=now-2h (a timestamp:<now) timestamp:>=now-1h", Span(NOW - HOUR, NOW)),
        ("timestamp:>=now-1h OR timestamp:>=now-2h", Span(NOW - 2 * HOUR)),
        ("timestamp:>=now-1h OR level:ERROR", EVERYTHING),
        ("(timestamp:<now-1h OR timestamp:<now) timestamp:>=now-5h", Span(NOW - 5 * HOUR, NOW)),
        ("NOT timestamp:>=now-1h", EVERYTHING),
        ("received_at:>=now-1h", EVERYTHING),
        ("attributes.timestamp:>=5", EVERYTHING),
    ],
)
def test_the_conditions_on_time_bound_what_is_looked_at(text, expected):
    assert span(parse(text).filter, NOW) == expected


def test_the_span_of_a_caller_narrows_that_of_a_query():
    given = Span(NOW - HOUR, None, after_seq=7)
    assert intersection(given, Span(NOW - 2 * HOUR, NOW, upto_seq=9)) == Span(NOW - HOUR, NOW, 7, 9)
    assert intersection(given, EVERYTHING) == given
