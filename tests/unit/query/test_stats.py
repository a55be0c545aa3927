from datetime import UTC, datetime, timedelta

import pytest

from safelight.errors import QueryError
from safelight.query.compile import select_stats
from safelight.query.parse import parse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVENTS = [
    {"node": "B", "duration_ms": 100.0, "level": "INFO", "attributes": '{"steps":9}'},
    {"node": "A", "duration_ms": 300.0, "level": "CRITICAL", "attributes": '{"steps":30}'},
    {"node": "B", "duration_ms": 200.0, "level": "WARNING", "attributes": '{"steps":"many"}'},
    {"node": "C", "duration_ms": None, "level": "INFO"},
    {"node": None, "duration_ms": 50.0},
]
EVENTS = [{"timestamp": NOW - timedelta(minutes=place), **event} for place, event in enumerate(EVENTS)]


def answer(over, text):
    return over(EVENTS)(select_stats(parse(text), NOW))


def test_the_slowest_nodes_come_first_and_unnamed_columns_say_what_they_are(over):
    rows = answer(over, "node:* | stats avg(duration_ms), p95(duration_ms), count() by node | sort -avg | limit 2")
    assert rows == [
        {"node": "A", "avg_duration_ms": 300.0, "p95_duration_ms": 300.0, "count": 1},
        {"node": "B", "avg_duration_ms": 150.0, "p95_duration_ms": 195.0, "count": 2},
    ]


def test_without_a_sort_rows_come_by_their_keys_and_a_missing_key_last(over):
    assert [row["node"] for row in answer(over, "| stats count by node")] == ["A", "B", "C", None]


def test_equal_rows_of_a_sort_come_by_their_keys(over):
    assert [row["node"] for row in answer(over, "| stats count by node | sort -count")] == ["B", "A", "C", None]


def test_what_has_no_value_is_sorted_last_both_ways(over):
    assert [row["node"] for row in answer(over, "| stats sum(duration_ms) by node | sort sum")][-1] == "C"
    assert [row["node"] for row in answer(over, "| stats sum(duration_ms) by node | sort -sum")][-1] == "C"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("count", 5),
        ("count(duration_ms)", 4),
        ("dc(node)", 3),
        ("count_distinct(node)", 3),
        ("sum(duration_ms)", 650.0),
        ("mean(duration_ms)", 162.5),
        ("median(duration_ms)", 150.0),
        ("percentile(duration_ms, 50)", 150.0),
        ("p0(duration_ms)", 50.0),
        ("p100(duration_ms)", 300.0),
        ("min(node)", "A"),
        ("max(timestamp)", NOW),
        ("max(level)", "CRITICAL"),
        ("min(level)", "INFO"),
        ("first(node)", "C"),
        ("last(node)", "B"),
        ("last(level)", "INFO"),
        ("max(steps)", 30.0),
        ("avg(attributes.steps)", 19.5),
        ("avg(node)", None),
    ],
)
def test_a_function_gives(over, function, expected):
    (row,) = answer(over, f"| stats {function}")
    assert list(row.values()) == [expected]


def test_events_are_counted_in_bins_of_time(over):
    rows = answer(over, "| stats count as n by bin(timestamp, 2m) as at")
    assert rows == [
        {"at": NOW - timedelta(minutes=4), "n": 2},
        {"at": NOW - timedelta(minutes=2), "n": 2},
        {"at": NOW, "n": 1},
    ]


def test_events_are_counted_in_bins_of_a_number(over):
    rows = answer(over, "duration_ms:* | stats count by bin(duration_ms, 100)")
    assert [(row["duration_ms"], row["count"]) for row in rows] == [(0.0, 1), (100.0, 1), (200.0, 1), (300.0, 1)]


def test_rows_are_filtered_behind_stats_by_a_name_or_its_beginning(over):
    rows = answer(over, "| stats avg(duration_ms), count by node | where avg > 100 AND count:>=2 AND node:B")
    assert [row["node"] for row in rows] == ["B"]


def test_groups_go_by_the_name_they_were_asked_by(over):
    assert list(answer(over, "| stats count as n by steps, class_type")[0]) == ["steps", "class_type", "n"]


def test_a_statistic_of_nothing_is_one_row_without_keys_and_none_with(over):
    assert answer(over, "node:Z | stats count, max(duration_ms)") == [{"count": 0, "max_duration_ms": None}]
    assert answer(over, "node:Z | stats count by node") == []


def test_names_that_differ_in_case_only_are_one_name_too_many():
    with pytest.raises(QueryError, match="Two columns"):
        parse("| stats avg(x) as N, max(x) as n")


def test_a_query_without_stats_has_none_to_select():
    with pytest.raises(ValueError, match="no stats"):
        select_stats(parse("a"), NOW)
