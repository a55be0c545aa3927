from datetime import UTC, datetime, timedelta

import pytest

from safelight.query.nodes import nodes
from safelight.query.parse import parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVENTS = [
    {"timestamp": NOW - hours * HOUR - HOUR / 2, "node": node, "duration_ms": duration, "service": service}
    for hours, node, duration, service in [
        (0, "KSampler", 300.0, "comfyui"),
        (0, "KSampler", 100.0, "other"),
        (0, "VAEDecode", 100.0, "comfyui"),
        (0, "Quick", 0.0, "comfyui"),
        (0, None, 9.0, "comfyui"),
        (0, "VAEDecode", None, "comfyui"),
        (1, "KSampler", 50.0, "comfyui"),
        (1, "Gone", 50.0, "comfyui"),
    ]
]


def test_the_node_that_took_most_of_the_time_comes_first(over):
    assert over(EVENTS)(nodes(NOW - HOUR, NOW, NOW)) == [
        {"node": "KSampler", "count": 2, "avg_ms": 200.0, "p95_ms": pytest.approx(290.0), "share": 0.8},
        {"node": "VAEDecode", "count": 1, "avg_ms": 100.0, "p95_ms": 100.0, "share": 0.2},
        {"node": "Quick", "count": 1, "avg_ms": 0.0, "p95_ms": 0.0, "share": 0.0},
    ]


def test_a_node_is_compared_with_what_was_usual_before(over):
    rows = over(EVENTS)(nodes(NOW - HOUR, NOW, NOW, against=NOW - 3 * HOUR))
    assert [(row["node"], row["usual_ms"], row["ratio"]) for row in rows] == [
        ("KSampler", 50.0, 4.0),
        ("VAEDecode", None, None),
        ("Quick", None, None),
    ]


def test_a_query_narrows_what_counts(over):
    rows = over(EVENTS)(nodes(NOW - HOUR, NOW, NOW, parse("service:other").filter))
    assert [(row["node"], row["count"], row["share"]) for row in rows] == [("KSampler", 1, 1.0)]


def test_a_share_of_no_time_at_all_is_nothing(over):
    rows = over(EVENTS)(nodes(NOW - HOUR, NOW, NOW, parse("node:Quick").filter))
    assert [row["share"] for row in rows] == [0.0]
