"""What others hand over: raw lines become events here, an agent's events are taken as they are, each batch once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from safelight import importing
from safelight.app import receiving as room
from safelight.app.commits import Commits
from safelight.app.intake import Intake
from safelight.app.receiving import Receiving
from safelight.arrivals import Consignment
from safelight.batch import Batch
from safelight.documents import Documents
from safelight.processors import Processor
from safelight.processors.enrich import Enrich
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore

pytestmark = pytest.mark.anyio
SECRET = "hf_abcdefghijklmnopqrstuvwxyz0123456789"


class Careless(Processor):
    """A step of somebody else's that adds a secret."""

    type: Literal["careless"] = "careless"

    def build(self):
        return lambda batch: batch.with_column("tag", f"token={SECRET}")


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path) as opened:
        yield opened


def receiving(store, *processors):
    return Receiving(processors, Documents(store.data / "documents"), Intake(store, Commits(0)))


def stored(store):
    return store.oldest(Sql("true"), limit=100).to_pylist()


def event(**columns):
    now = datetime.now(UTC)
    return {"timestamp": now, "received_at": now, "level": "INFO"} | columns


def from_agent(*events, agent="gpu-1", batch_id="1"):
    return Consignment.understood(Batch.of(events), agent, batch_id)


async def test_raw_lines_are_understood_and_counted(store):
    batch = Batch.of([{"id": "a", "raw": '{"message":"hello"}'}, {"id": "b", "raw": '{"broken": '}])
    became = await receiving(store).take(Consignment.of(batch, {"ingest:1": "x"}, "generic", "1"))
    assert became == {"events": 2, "not_understood": 1}
    assert stored(store)[0]["message"] == "hello"
    assert store.checkpoint("ingest:") == {"ingest:1": "x"}


async def test_events_of_an_agent_go_through_the_servers_steps_and_not_through_parsing_again(store):
    given = event(id="a", message="x", raw="the line", parse_error="not JSON", host="gpu-1")
    one = receiving(store, Enrich(fields={"environment": "production"}), Careless())
    assert await one.take(from_agent(given)) == {"events": 1, "not_understood": 1}
    (found,) = stored(store)
    assert (found["environment"], found["host"], found["parse_error"]) == ("production", "gpu-1", "not JSON")
    assert SECRET not in str(found)


async def test_failures_that_an_agent_could_not_group_are_grouped_here(store):
    await receiving(store).take(from_agent(event(id="a", level="ERROR", message="Out of paper")))
    assert stored(store)[0]["error_group"]


async def test_a_batch_that_is_sent_twice_is_stored_once(store):
    one = receiving(store)
    await one.take(from_agent(event(id="a")))
    await one.take(from_agent(event(id="a")))
    await one.take(from_agent(event(id="b"), batch_id="2"))
    assert [found["id"] for found in stored(store)] == ["a", "b"]
    assert one.agents["gpu-1"].events.total == 2


async def test_each_agent_is_shown_with_what_came_from_it(store):
    one = receiving(store)
    await one.take(from_agent(event(id="a"), event(id="b", parse_error="no"), batch_id="1"))
    await one.take(from_agent(event(id="c"), agent="gpu-2", batch_id="2"))
    shown = {name: agent.figures() for name, agent in one.agents.items()}
    assert {name: (one["events"], one["not_understood"]) for name, one in shown.items()} == {
        "gpu-1": (2, 1),
        "gpu-2": (1, 0),
    }
    assert (shown["gpu-1"]["type"], shown["gpu-1"]["bytes"] > 0, shown["gpu-1"]["ahead_s"]) == ("agent", True, 0)
    assert [step["in"] for step in shown["gpu-1"]["steps"]] == [2, 2]


async def test_a_clock_that_is_ahead_is_noticed(store):
    one = receiving(store)
    later = datetime.now(UTC) + timedelta(hours=1)
    await one.take(from_agent(event(id="a", received_at=later)))
    assert one.agents["gpu-1"].figures()["ahead_s"] > 3000


async def test_agents_beyond_the_limit_are_counted_together(store, monkeypatch):
    monkeypatch.setattr(room, "MOST_SENDERS", 2)
    one = receiving(store)
    for number in range(5):
        await one.take(from_agent(event(id=str(number)), agent=f"gpu-{number}", batch_id=str(number)))
    assert {name: agent.events.total for name, agent in one.agents.items()} == {"gpu-0": 1, "gpu-1": 1, "": 3}


async def test_of_imported_files_the_last_ones_are_known(store, monkeypatch):
    monkeypatch.setattr(importing, "MOST_FILES", 3)
    one = receiving(store)
    for number, name in enumerate(("a", "b", "c", "a", "d", "e")):
        line = Batch.of([{"id": str(number), "raw": "x"}])
        await one.take(Consignment.of(line, {f"ingest:{name}": str(number)}, "generic", str(number)))
    assert store.checkpoint("ingest:") == {"ingest:a": "3", "ingest:d": "4", "ingest:e": "5"}
    with importing.destination(None, None, store.data / "alone") as alone:
        for name in "abcde":
            alone.take(Batch.of([{"id": name, "raw": "x"}]), {f"ingest:{name}": "1"}, "generic")
        assert list(alone.done()) == ["ingest:c", "ingest:d", "ingest:e"]
