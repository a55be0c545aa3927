"""Events of an agent handed to a real server, which is killed in between: each is there once."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from safelight.batch import Batch
from safelight.errors import SinkError
from safelight.sinks.safelight import Safelight
from support.running import running

NOW = datetime.now(UTC)
HOSTILE = '{"a":1}\n{"index":{"_index":"other"}}'


def events(first, count, **more):
    return Batch.of(
        {
            "id": f"agent-event-{number}",
            "timestamp": NOW - timedelta(milliseconds=number),
            "received_at": NOW,
            "level": "INFO",
            "event": "image_processed",
            "message": f"token=hf_abcdefghijklmnopqrstuvwxyz0123 {number}",
            **more,
        }
        for number in range(first, first + count)
    )


def send(url, *numbered):
    async def main():
        async with Safelight(url=url, agent="gpu-7").connect() as connection:
            for number, batch in numbered:
                assert await connection.send(batch, number) == []

    anyio.run(main)


def test_a_batch_that_is_sent_again_is_stored_once_also_after_kill_9(tmp_path):
    first, second = ("1", events(0, 500)), ("2", events(500, 500))
    with running(tmp_path) as server:
        send(server.url, first, first)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(30)
        with pytest.raises(SinkError, match="does not answer"):
            send(server.url, second)
    with running(tmp_path) as server:
        send(server.url, first, second, second)
        found = server.until("event:image_processed", 1_000)
    assert sorted(event["id"] for event in found) == sorted(f"agent-event-{number}" for number in range(1_000))
    assert not any("hf_" in event["message"] for event in found)


def test_a_hostile_event_is_kept_and_flagged_beside_the_others(tmp_path):
    with running(tmp_path) as server:
        send(server.url, ("1", events(0, 1, attributes=HOSTILE)), ("2", events(1, 1, attributes='{"a":1}')))
        found = {event["id"]: event for event in server.until("event:image_processed", 2)}
    assert found["agent-event-0"]["parse_error"]
    assert found["agent-event-1"]["attributes"] == {"a": 1}
