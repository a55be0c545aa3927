"""The child process, as the server starts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import datetime

import pytest

from safelight.event import LEVELS, Name

HEAVY = {"anyio", "click", "duckdb", "msgspec", "pyarrow", "pydantic"}


@pytest.fixture
def start(tmp_path):
    stack = ExitStack()

    def start(*options):
        command = [sys.executable, "-P", "-m", "safelight.demo", "--spool", str(tmp_path), "--seed", "1", *options]
        process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE))
        stack.callback(process.kill)
        return process

    with stack:
        yield start


def told(spool):
    return [
        json.loads(line)
        for path in sorted(spool.glob("*/*.ndjson"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def seconds(event):
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def test_every_line_is_an_event_that_says_it_is_simulated(start, tmp_path):
    before = time.time()
    process = start("--history", "2", "--until", "30", "--speed", "100")
    assert process.wait(timeout=60) == 0  # not communicate(), which would close its standard input
    assert process.stderr.read() == b""
    events = told(tmp_path)
    assert len(events) > 500
    for event in events:
        assert (event["environment"], event["simulated"]) == ("simulated", True)
        assert event["level"] in LEVELS
        assert event["event"] in set(Name) - {Name.EVENTS_DROPPED}
        assert {"id", "service", "instance", "host"} <= event.keys()
        assert "message" in event or event["level"] == "DEBUG"
    moments = [seconds(event) for event in events]
    assert moments == sorted(moments)
    assert before - 7201 < moments[0] < before - 3600
    assert moments[-1] <= time.time()
    assert "torch.OutOfMemoryError" in {event.get("error_type") for event in events if seconds(event) > before}


def test_it_ends_when_its_parent_is_gone(start):
    process = start("--history", "0")
    process.stdin.close()
    assert process.wait(timeout=30) == 0


def test_a_studio_that_is_opened_again_does_not_tell_its_past_twice(start, tmp_path):
    assert start("--history", "1", "--until", "0").wait(timeout=60) == 0
    first = told(tmp_path)
    assert start("--history", "1", "--until", "0").wait(timeout=60) == 0
    known = {event["id"] for event in first}
    again = [event for event in told(tmp_path) if event["id"] not in known]
    assert len(first) > 200
    assert all(seconds(event) > seconds(first[-1]) for event in again)


def test_it_needs_nothing_of_the_server():
    script = "import sys, safelight.demo.__main__; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(answer.stdout.split())
