from datetime import UTC, datetime, timedelta

import pytest

from safelight.errors import QueryTooCostly
from safelight.query.ast import All
from safelight.query.facets import Facet, facets
from safelight.query.parse import parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVENTS = [
    {"timestamp": NOW, "level": level, "node": node, "duration_ms": 2.0, "attributes": attributes}
    for level, node, attributes in [
        ("ERROR", "A", '{"steps":30}'),
        ("INFO", "C", '{"steps":30}'),
        ("INFO", "B", '{"steps":9}'),
        (None, "B", None),
        ("INFO", "A", None),
    ]
]


def answer(over, fields, condition="", limit=10, hours=1):
    asked = facets(parse(condition).filter, fields, NOW - timedelta(hours=hours), NOW + timedelta(hours=1), NOW, limit)
    return asked.facets(over(EVENTS)(asked.sql))


def test_the_most_frequent_values_come_first_and_equal_ones_by_name(over):
    assert answer(over, ["level", "node"], limit=2) == [
        Facet("level", [("INFO", 3), ("ERROR", 1)], 1),
        Facet("node", [("A", 2), ("B", 2)], 0),
    ]


def test_attributes_aliases_and_numbers_are_fields_too(over):
    assert answer(over, ["steps", "class_type", "duration_ms", "gone"], "level:INFO") == [
        Facet("steps", [("30", 1), ("9", 1)], 1),
        Facet("class_type", [("A", 1), ("B", 1), ("C", 1)], 0),
        Facet("duration_ms", [("2.0", 3)], 0),
        Facet("gone", [], 3),
    ]


def test_of_no_events_every_facet_is_empty(over):
    assert answer(over, ["level"], "node:Z") == [Facet("level", [], 0)]


def test_too_many_fields_are_refused():
    with pytest.raises(QueryTooCostly, match="20"):
        facets(All(), [f"f{place}" for place in range(21)], NOW, NOW, NOW)
