"""Recorded logs and the events they must become.

`<service>/*.log` holds what an application wrote, `*.json` beside it the events. After a change that is meant,
`SAFELIGHT_GOLDEN_UPDATE=1 pytest tests/golden` writes the events anew: read the difference before committing it.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from safelight.batch import Batch
from safelight.processors.fingerprint import fingerprint
from safelight.processors.parse import Parse
from safelight.services import profile
from safelight.services.joiner import Joiner

HERE = Path(__file__).parent
LOGS = sorted(HERE.glob("*/*.log"))
ARRIVED = datetime(2026, 11, 22, 10, tzinfo=UTC)


def events_of(log: Path) -> list[dict]:
    service = log.parent.name
    joiner = Joiner(profile(service).grammar)
    records = joiner.feed(log.read_bytes().split(b"\n")) + joiner.flush()
    lines = pa.array([record.text for record in records], pa.binary()).view(pa.string())
    raw = Batch.from_columns(len(lines), {"raw": lines, "received_at": ARRIVED, "service": service})
    parsed = fingerprint(Parse(profile=service, timezone="UTC").build()(raw))
    return [as_json(row) for row in parsed.table.drop_columns(["received_at", "service"]).to_pylist()]


def as_json(row: dict) -> dict:
    event = {name: value for name, value in row.items() if value is not None}
    event["timestamp"] = event["timestamp"].isoformat()
    if "attributes" in event:
        event["attributes"] = json.loads(event["attributes"])
    return event


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}/{log.stem}")
def test_a_recorded_log_becomes_the_events_written_beside_it(log):
    events = events_of(log)
    written = log.with_suffix(".json")
    if os.environ.get("SAFELIGHT_GOLDEN_UPDATE"):
        written.write_text(json.dumps(events, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    assert events == json.loads(written.read_text(encoding="utf-8"))


FAILURES = [log for log in LOGS if any(word in log.stem for word in ("-fail-", "-oom", "sampler-oom"))]
NOT_IN_A_NODE = ("validation", "unknown-node", "missing-ckpt")


@pytest.mark.parametrize(
    "log",
    [x for x in FAILURES if not x.stem.endswith(NOT_IN_A_NODE) and "partial" not in x.stem[-8:]],
    ids=lambda log: log.stem,
)
def test_a_failed_run_is_one_event_with_its_error_and_traceback(log):
    failed = [event for event in events_of(log) if event.get("event") == "node_failed"]
    assert len(failed) == 1
    assert failed[0]["level"] == "ERROR"
    assert failed[0]["error_type"]
    assert "Traceback (most recent call last)" in failed[0]["traceback"]
    assert failed[0]["attributes"]["node_function"]
    assert not [event for event in events_of(log) if "traceback" in event and event not in failed]


@pytest.mark.parametrize(
    "log", [x for x in FAILURES if x.stem.endswith(("validation", "missing-ckpt"))], ids=lambda log: log.stem
)
def test_a_rejected_prompt_is_one_event_with_its_node_and_reasons(log):
    rejected = [event for event in events_of(log) if event.get("event") == "run_rejected"]
    assert len(rejected) == 1
    assert rejected[0]["node"] in {"ImageScale", "CheckpointLoaderSimple"}
    assert rejected[0]["node_id"]
    assert "not in list" in rejected[0]["error_message"]
