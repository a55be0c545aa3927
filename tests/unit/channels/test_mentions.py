"""Who is mentioned when."""

from __future__ import annotations

import pytest

from safelight.channels.mentions import Mentions
from support.telling import note


@pytest.mark.parametrize(
    ("fields", "calls"),
    [
        ({"severity": 3}, True),
        ({"severity": 2}, True),
        ({"severity": 1}, False),
        ({"severity": 3, "status": "resolved"}, False),
    ],
)
def test_mentions_begin_at_a_severity_and_end_with_the_alert(fields, calls):
    assert Mentions(at_severity=2).calls(note(**fields)) is calls
