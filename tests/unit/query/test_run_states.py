"""The state of a run out of the events that it left: the same by SQL as by Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safelight.query.run_states import OPEN_WITHIN, RECENT, State, marks, state_of, state_sql
from safelight.query.sql import Sql

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = [
    "run_queued",
    "run_started",
    "run_finished",
    "run_failed",
    "run_interrupted",
    "run_lost",
    "run_rejected",
    "run_stuck",
    "run_resubmitted",
    "node_started",
    "node_progress",
    "node_finished",
    "output_saved",
    "resources_sampled",
    "log",
]


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (["run_queued"], State.QUEUED),
        (["run_queued", "run_started"], State.RUNNING),
        (["run_queued", "node_started"], State.RUNNING),
        (["run_started", "run_stuck"], State.RUNNING),
        (["run_finished", "run_started", "run_queued"], State.FINISHED),
        (["run_queued", "run_lost"], State.LOST),
        (["run_lost", "run_finished"], State.FINISHED),
        (["run_failed", "run_lost"], State.FAILED),
        (["run_failed", "run_interrupted"], State.INTERRUPTED),
        (["run_failed", "run_finished"], State.FAILED),
        (["run_interrupted", "run_finished"], State.FINISHED),
        (["run_failed", "run_interrupted", "run_finished"], State.FAILED),
        (["run_rejected"], State.REJECTED),
        (["log"], State.RUNNING),
        (["node_finished", "log"], State.RUNNING),
    ],
)
def test_the_weightiest_word_holds_in_whatever_order_it_came(events, state):
    assert state_of(events, NOW, NOW) is state_of(events[::-1], NOW, NOW) is state


@pytest.mark.parametrize(
    ("events", "age", "state"),
    [
        (["node_started"], RECENT - timedelta(seconds=1), State.RUNNING),
        (["node_started"], RECENT + timedelta(seconds=1), State.UNKNOWN),
        (["run_queued"], RECENT + timedelta(seconds=1), State.QUEUED),
        (["run_started"], OPEN_WITHIN + timedelta(seconds=1), State.UNKNOWN),
        (["run_finished"], OPEN_WITHIN + timedelta(seconds=1), State.FINISHED),
    ],
)
def test_silence_makes_a_state_unknown_unless_an_end_was_told(events, age, state):
    assert state_of(events, NOW - age, NOW) is state


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
    st.sampled_from([timedelta(), RECENT * 2, OPEN_WITHIN * 2]),
)
def test_sql_and_python_agree(over, events, age):
    state = state_sql("marks", "last_at", NOW)
    ask = over([{"workflow_id": "w", "event": name, "timestamp": NOW - age} for name in events])
    text = f"SELECT {state.text} AS state FROM (SELECT {marks()} AS marks, max(timestamp) AS last_at FROM events)"
    assert ask(Sql(text, state.parameters)) == [{"state": str(state_of(events, NOW - age, NOW))}]
