"""What the nodes of a run became, from whatever was told of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from safelight import answers
from safelight.answers.runs.executions import executions
from safelight.batch import Batch
from safelight.store.segments import SegmentStore

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


def event(name, second, node_id=None, **more):
    return {
        "id": f"{name}-{node_id}",
        "timestamp": NOW + timedelta(seconds=second),
        "event": name,
        "workflow_id": "run-1",
        "instance": "gpu-01:8188",
        "service": "comfyui",
        "node_id": node_id,
        "node": "SaveImage" if node_id else None,
        **more,
    }


def asked(tmp_path, *events):
    with SegmentStore.open(tmp_path) as store:
        store.append(Batch.of(events))
        return answers.run(store, lambda _: None, "run-1")


BLOCKED = [
    event("run_queued", 0, attributes=json.dumps({"node_count": 2})),
    event("run_started", 1),
    event("node_started", 2, "1"),
    event("node_finished", 3, "1", duration_ms=1000.0),
    event("node_started", 4, "2"),
    event("node_blocked", 5, "2", level="WARNING", message="not now"),
]


def test_a_blocked_node_is_neither_finished_nor_at_work(tmp_path):
    found = asked(tmp_path, *BLOCKED)
    assert [one["state"] for one in found["executions"]] == ["finished", "blocked"]
    assert found["executions"][1]["error"] == {"type": "ExecutionBlocker", "message": "not now", "traceback": None}
    assert found["executions"][1]["duration_ms"] == 1000.0
    assert found["state"] == "running"
    assert found["current"] is None
    assert found["error"] is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_node_that_is_told_both_blocked_and_finished_was_blocked(tmp_path, order):
    both = [event("node_finished", 5, "2", duration_ms=7.0), event("run_finished", 6, duration_ms=5000.0)]
    found = asked(tmp_path, *(BLOCKED + both)[::order])
    assert [one["state"] for one in found["executions"]] == ["finished", "blocked"]
    assert found["nodes"] == {"total": 2, "finished": 1, "cached": 0, "failed": 0}
    assert found["state"] == "finished"


def test_a_node_that_took_longer_than_there_is_a_calendar_began_when_it_ended():
    said = event("node_finished", 3, "1", duration_ms=1e300, attributes={})
    [one] = executions([said], NOW, "finished", NOW, {})
    assert one["offset_ms"] == 3000.0
