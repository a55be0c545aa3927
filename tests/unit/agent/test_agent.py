"""The parts of an agent, as they show themselves and as they stop."""

from __future__ import annotations

from functools import partial

import anyio
import anyio.to_thread
import pytest

from safelight.agent import agent as room
from safelight.agent.agent import Agent
from safelight.config.agent import load
from safelight.shipping import requests
from support.shipping import until

pytestmark = pytest.mark.anyio

CONFIG = """
[spool]
read = false
[discover]
comfyui = false
gpu = false
host = false
[[sources]]
type = "file"
paths = ["{log}"]
read_from = "start"
[[processors]]
type = "route"
where = "level:ERROR"
to = ["alarms"]
[[sinks]]
type = "safelight"
url = "http://127.0.0.1:1"
buffer = {{ chunk = "4KB", chunks = 1, when_full = "block" }}
most_events = 1
[[sinks]]
type = "file"
name = "alarms"
where = "tag:a*"
path = "{out}"
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "agent.toml"
    log, out = tmp_path / "app.log", tmp_path / "alarms.ndjson"
    log.write_text("".join(f"2026-11-22 10:00:00 INFO line {number} {number**99}\n" for number in range(500)))
    file.write_text(CONFIG.format(log=log, out=out), encoding="utf-8")
    return load(file, {})


async def test_a_sink_is_shown_with_its_filter_and_its_routes(config, tmp_path):
    async with Agent.open(config, tmp_path / "data") as agent:
        shown = {sink["name"]: sink["where"] for sink in agent.status()["sinks"]}
    assert shown == {"safelight": None, "alarms": "level:ERROR AND tag:a*"}


async def test_it_stops_although_a_full_queue_blocks_its_sources(config, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "STOPPING_S", 0.05)
    async with Agent.open(config, tmp_path / "data") as agent, anyio.create_task_group() as tasks:
        await tasks.start(agent.run)
        with anyio.fail_after(30):
            await until(lambda: not agent.outlets["safelight"].room)
            await agent.stop()
        tasks.cancel_scope.cancel()


async def test_dead_letters_are_sent_again_while_it_runs(config, tmp_path):
    letters = tmp_path / "data" / "sinks" / "alarms" / "dead-letter"
    letters.mkdir(parents=True)
    letter = '{"reason":"no","event":{"id":"e1","level":"ERROR","tag":"a","message":"once more"}}\n'
    (letters / "alarms.000001.ndjson").write_text(letter)
    async with Agent.open(config, tmp_path / "data") as agent, anyio.create_task_group() as tasks:
        await tasks.start(agent.run)
        ask = partial(requests.ask, tmp_path / "data" / "sinks" / "alarms")
        assert await anyio.to_thread.run_sync(ask) == requests.Answer(1)
        out = tmp_path / "alarms.ndjson"
        await until(lambda: out.exists() and "once more" in out.read_text())
        tasks.cancel_scope.cancel()
    assert not list(letters.iterdir())
