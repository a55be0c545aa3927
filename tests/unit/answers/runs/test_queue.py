"""What runs and what waits, from events alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from safelight.answers import queue
from safelight.store.segments import SegmentStore
from support.runs import batch, story

NOW = datetime.now(UTC).replace(microsecond=0)


def ago(**lengths):
    return NOW - timedelta(**lengths)


def said(event, at, instance="gpu-1:8188"):
    return {"event": event, "timestamp": at, "instance": instance, "service": "comfyui", "level": "ERROR", "id": event}


@pytest.fixture
def asked(tmp_path):
    """`asked(*events)`: the instances of the queue, by name."""
    with SegmentStore.open(tmp_path) as store:

        def ask(*events):
            store.append(batch(events))
            return {one["instance"]: one for one in queue(store)["instances"]}

        yield ask


def test_an_instance_has_its_running_run_and_the_waiting_ones_in_the_order_of_their_numbers(asked):
    running = story("running", ago(seconds=8))
    waiting = [story("queued", ago(seconds=n), run_id=f"w{n}") for n in (5, 4, 3)]
    for number, one in zip((7, 9, -1), waiting, strict=True):
        one.named("run_queued")[0]["number"] = number
    other = story("stuck", ago(minutes=12))
    found = asked(*running.events, *other.events, *(event for one in waiting for event in one.events))
    assert found["gpu-1:8188"]["state"] == "busy"
    assert [run["id"] for run in found["gpu-1:8188"]["running"]] == [running.id]
    assert [run["id"] for run in found["gpu-1:8188"]["pending"]] == ["w3", "w5", "w4"]
    assert found["gpu-1:8188"]["running"][0]["current"]["node"] == "KSampler"
    assert found["gpu-3:8188"]["state"] == "stuck"
    assert found["gpu-3:8188"]["eta_ms"] is None


def test_the_wait_is_what_usual_times_leave_and_unknown_without_them(asked):
    queued = story("queued", ago(seconds=3))
    assert asked(*queued.events)["gpu-1:8188"]["eta_ms"] is None
    before = story("ok", ago(minutes=5))
    assert asked(*before.events)["gpu-1:8188"]["eta_ms"] == pytest.approx(8588, abs=1)


def test_an_instance_with_nothing_to_do_is_idle(asked):
    found = asked(*story("ok", ago(minutes=5)).events)
    assert found["gpu-1:8188"] == {
        "instance": "gpu-1:8188",
        "state": "idle",
        "running": [],
        "pending": [],
        "eta_ms": 0.0,
    }


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["instance_unreachable"], "unreachable"),
        (["instance_unreachable", "instance_recovered"], "busy"),
        (["worker_dead"], "dead"),
        (["worker_dead", "instance_restarted"], "busy"),
        (["instance_recovered", "worker_dead", "instance_unreachable"], "unreachable"),
    ],
)
def test_the_last_word_about_its_health_holds(asked, words, state):
    running = story("running", ago(seconds=8))
    told = [said(word, ago(seconds=5 - place)) for place, word in enumerate(words)]
    assert asked(*running.events, *told)["gpu-1:8188"]["state"] == state


def test_a_stuck_run_that_moves_again_is_not_stuck(asked):
    stuck = story("stuck", ago(minutes=12))
    moved = {**stuck.named("node_progress")[-1], "id": "again", "timestamp": ago(seconds=2), "value": 3}
    assert asked(*stuck.events, moved)["gpu-3:8188"]["state"] == "busy"


def test_a_run_of_which_nothing_was_heard_for_a_week_waits_no_longer(asked):
    assert asked(*story("queued", ago(days=8)).events) == {}


def test_an_ended_run_is_gone_whoever_told_of_its_end(asked):
    run = story("found-later", ago(minutes=3))
    assert asked(*run.events)["gpu-1:8188"]["running"] == []
