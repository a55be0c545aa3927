"""The pipeline over the API and as metrics: every source, step and sink, and what is wrong in the reader's words."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from safelight.app.feed import closed
from safelight.batch import Batch
from safelight.buffer import BufferFull
from safelight.collecting.collector import Collector
from safelight.errors import InputError, SafelightError, StoreError, StoreFull
from safelight.meter import Meter
from safelight.pipeline import chain
from safelight.plugin import kind
from safelight.sinks import Sink
from safelight.sources import Progress
from safelight.sources.file import File
from safelight.web import reply
from safelight.web.api import pipeline as api
from safelight.web.metrics import exposition

pytestmark = pytest.mark.anyio


class Feed:
    def __init__(self, name, dead=0):
        self.sink = SimpleNamespace(called=name)
        self.dead = dead

    def status(self):
        sink = kind(Sink, "elasticsearch").model_validate({"url": "http://127.0.0.1:9200", "name": self.sink.called})
        queue = {"events": 5, "bytes": 900, "capacity_bytes": 1000, "share": 0.9, "oldest_at": None}
        more = {"where": None, "behind_events": 7, "queue": queue, "sent": 11, "dropped": {"full": 2}}
        return closed(sink, "") | more | {"dead_letters": self.dead}

    async def retry_dead_letters(self):
        found, self.dead = self.dead, 0
        return found


@pytest.fixture
def app():
    steps = chain((), "generic")
    source = File(paths=("/var/log/a.log",), service="ddcolor")
    collector = Collector(source, steps, None, SimpleNamespace(note=lambda *_, **__: None), "en", steps.steps)
    steps(Batch.of([{"id": str(n), "raw": "hello"} for n in range(10)]))
    collector.reading(1)
    collector.took(500)
    collector.events.add(10)
    collector.refused(3, "too_large")
    collector.progress([Progress("/var/log/a.log", 2000, 1000, 2.5)])
    return SimpleNamespace(
        version="1",
        config=SimpleNamespace(language="en", notes=()),
        started_at=SimpleNamespace(timestamp=lambda: 1.0),
        store=SimpleNamespace(figures=lambda: SimpleNamespace(events=10, bytes=2000, segments=1)),
        intake=SimpleNamespace(refused=None, events=Meter()),
        journal=SimpleNamespace(counts={}),
        collectors=(collector,),
        receiving=SimpleNamespace(agents={}),
        feeds=(Feed("es", dead=4),),
    )


@pytest.fixture
async def client(app):
    web = FastAPI()
    web.state.safelight = app
    web.add_exception_handler(SafelightError, reply.ours)
    web.include_router(api.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://x") as opened:
        yield opened


async def test_every_source_step_and_sink_is_shown(client):
    shown = (await client.get("/pipeline")).json()
    assert shown["agent"] is False
    (source,) = shown["sources"]
    assert (source["type"], source["service"], source["state"], source["events"]) == ("file", "ddcolor", "reading", 10)
    assert (source["bytes"], source["behind_bytes"], source["lag_s"]) == (500, 1000, 2.5)
    assert source["files"] == [
        {"path": "/var/log/a.log", "size": 2000, "offset": 1000, "behind": 1000, "lag_s": 2.5, "cut": 0}
    ]
    assert [step["name"] for step in source["steps"]] == ["1 parse", "2 locate", "3 redact", "4 fingerprint"]
    assert [(step["in"], step["out"]) for step in source["steps"]] == [(10, 10)] * 4
    assert shown["store"] == {"events": 10, "bytes": 2000, "rate": 0.0, "state": "ok", "detail": ""}
    (sink,) = shown["sinks"]
    assert (sink["type"], sink["name"], sink["behind_events"], sink["queue"]["share"]) == (
        "elasticsearch",
        "es",
        7,
        0.9,
    )


async def test_what_is_wrong_is_said_in_the_language_of_the_reader(client):
    english = (await client.get("/pipeline")).json()["problems"]
    chinese = (await client.get("/pipeline", headers={"Accept-Language": "zh"})).json()["problems"]
    assert "too_large" in english[0]["said"]
    assert [problem["where"] for problem in english] == [problem["where"] for problem in chinese]
    assert all(one["said"] != other["said"] for one, other in zip(english, chinese, strict=True))


async def test_dead_letters_are_put_into_the_queue_again(client):
    assert (await client.post("/sinks/es/retry")).json() == {"events": 4}
    assert (await client.post("/sinks/es/retry")).json() == {"events": 0}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BufferFull("buffer.full", directory="/d"), 507),
        (StoreFull("buffer.no_room", directory="/d", reason="No space left on device"), 507),
        (StoreError("sinks.closed", name="es", reason="-"), 503),
        (InputError("shipping.not_a_letter", file="/d/es.000001.ndjson", line=3, reason="half"), 400),
    ],
    ids=["queue-full", "disk-full", "closed", "broken-line"],
)
async def test_why_dead_letters_cannot_be_put_back_is_said(client, app, error, status):
    async def fails():
        raise error

    app.feeds[0].retry_dead_letters = fails
    answer = await client.post("/sinks/es/retry")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == error.render()


async def test_a_sink_that_there_is_not_is_named_with_those_that_there_are(client):
    answer = await client.post("/sinks/other/retry")
    assert answer.status_code == 400
    assert answer.json()["detail"] == "There is no sink called other; there are: es."


async def test_prometheus_gets_the_same_figures(app):
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(exposition(app).decode())
        for sample in family.samples
    }
    file, es = ("/var/log/a.log", "file"), ("elasticsearch", "es")
    assert found["safelight_source_events_total", *file] == 10
    assert found["safelight_source_bytes_total", *file] == 500
    assert found["safelight_source_refused_total", *sorted((*file, "too_large"))] == 3
    assert found["safelight_source_lag_seconds", *file] == 2.5
    assert found["safelight_file_behind_bytes", "/var/log/a.log", *file] == 1000
    for what in ("in", "out"):
        assert found[f"safelight_step_events_{what}_total", *sorted((*file, "1 parse"))] == 10
    assert found["safelight_step_events_dropped_total", *sorted((*file, "1 parse"))] == 0
    assert found["safelight_step_seconds_total", *sorted((*file, "1 parse"))] > 0
    assert found["safelight_sink_events_total", *sorted(es)] == 11
    assert found["safelight_sink_dropped_total", *sorted((*es, "full"))] == 2
    assert found["safelight_sink_queue_events", *sorted(es)] == 5
    assert found["safelight_sink_queue_bytes", *sorted(es)] == 900
    assert found["safelight_sink_dead_letters", *sorted(es)] == 4
    assert found["safelight_sink_retries_total", *sorted(es)] == 0
