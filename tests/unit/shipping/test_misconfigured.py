"""A setting that is wrong costs no event: whoever takes nothing is asked on, and its queue is kept."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from safelight.app.seen import arrived
from safelight.errors import SinkError, SinkMisconfigured, SinkRefused
from safelight.shipping.attempts import Attempts
from safelight.shipping.outlet import Outlet
from safelight.shipping.question import QUESTION, harmless
from safelight.sinks import Refusal, Sink
from safelight.sinks.clickhouse import Clickhouse
from safelight.sinks.elasticsearch import Elasticsearch
from safelight.sinks.elasticsearch.writer import Writer
from safelight.sinks.once import key_of
from safelight.sinks.otlp import Otlp
from safelight.sinks.safelight import Safelight
from support.elastic import Elastic, whole
from support.providers import Answer, Provider
from support.shipping import T0, Hands, Notebook, events, made, until

pytestmark = pytest.mark.anyio
WRONG = SinkMisconfigured("sinks.web.wrong_answer", url="http://there", status=404, answer="no such index")
DOWN = SinkError("shipping.no_answer", seconds=1)
REFUSED = SinkRefused("shipping.no_answer", seconds=1)


@pytest.fixture
def notes() -> Notebook:
    return Notebook()


@pytest.fixture
def outlet(tmp_path, notes):
    @asynccontextmanager
    async def opened(sink: Sink) -> Any:
        attempts = Attempts(sink.retry, chance=lambda: 1.0)
        async with (
            Outlet(sink, tmp_path / "sink", notes, "en", Hands(), attempts) as one,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(one.run)
            yield one
            tasks.cancel_scope.cancel()

    return opened


async def test_who_takes_nothing_as_it_is_set_is_asked_on_and_every_event_waits(outlet, notes):
    sink = made(retry={"max": 2})
    sink._always.append(WRONG)
    async with outlet(sink) as one:
        await one.offer(events(0, 5), {})
        await until(lambda: one.status()["retries"] > 10)
        status = one.status()
        assert (status["state"], status["dead_letters"], status["queue"]["events"]) == ("broken", 0, 5)
        assert "no such index" in status["detail"]
        sink._always.clear()
        await until(lambda: len(sink.got) == 5)
        await until(lambda: one.status()["state"] == "ok")
    assert notes.names() == ["sink_failed", "sink_recovered"]
    assert notes.entries[0][2]["level"] == "ERROR"


async def test_a_wrong_setting_uses_up_none_of_the_attempts(outlet):
    sink = made(retry={"max": 2})
    sink._orders.extend([WRONG] * 40 + [DOWN] * 2)
    async with outlet(sink) as one:
        await one.offer(events(0, 5), {})
        await until(lambda: len(sink.got) == 5)
        assert one.status()["dead_letters"] == 0


@pytest.mark.parametrize("no", [REFUSED, [Refusal(row, "mapping") for row in range(3)]], ids=["whole", "row by row"])
async def test_a_refused_batch_is_laid_aside_only_when_something_else_is_taken(outlet, no):
    sink = made()
    sink._always.append(no)
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: one.status()["state"] == "broken" and one.status()["retries"] > 3)
        status = one.status()
        assert (status["dead_letters"], status["refused"], status["queue"]["events"]) == (0, 0, 3)
        sink._orders.extend([None, no])  # the harmless event, and not the batch
        await until(lambda: one.status()["dead_letters"] == 3)
        sink._always.clear()
        await one.offer(events(3, 1), {})
        await until(lambda: sink.got[-1:] == ["e3"])
        assert one.status()["state"] == "ok"


async def test_while_everything_is_refused_only_the_harmless_event_is_sent(outlet):
    sink = made()
    sink._always.append(REFUSED)
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: len(sink._tried) > 20)
    assert sum(not tried.startswith(QUESTION) for tried in sink._tried) == 1


async def test_one_batch_that_nobody_takes_is_given_up_after_its_attempts_where_others_are_taken(outlet):
    sink = made(retry={"max": 2})
    sink._orders.extend([WRONG, None, WRONG, WRONG])  # None: the harmless event, which is believed for a minute
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: one.status()["dead_letters"] == 3)
        assert sink.got == []


async def test_a_server_that_goes_away_while_it_is_asked_decides_nothing(outlet):
    sink = made()
    sink._orders.extend([REFUSED, DOWN, REFUSED, DOWN])
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: len(sink.got) == 3)
        assert one.status()["dead_letters"] == 0


async def test_no_question_is_taken_for_a_batch_of_a_queue(monkeypatch):
    """A server marks for each queue of an agent how far it came, for good: it shall have none for each question."""
    monkeypatch.setattr("safelight.shipping.question.uuid7", lambda: "019ab3c4-d5e6-7000-8123-123456789012")
    event = harmless("en", T0)
    assert arrived(f"gpu-7.{key_of(event, event['id'][0].as_py())}", {}) == {}


def _served(kind: str, url: str) -> Sink:
    match kind:
        case "elasticsearch":
            return Elasticsearch(url=url, template=False)
        case "clickhouse":
            return Clickhouse(url=url, create=False)
        case "otlp":
            return Otlp(url=url)
    return Safelight(url=url)


class _Stranger(Provider):
    """Something else that listens there."""

    path = ""
    status = 404

    def judge(self, request: object) -> Answer:
        return Answer(self.status, b"no handler found for this path")


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 410])
@pytest.mark.parametrize("kind", ["elasticsearch", "clickhouse", "otlp", "safelight"])
async def test_an_answer_about_the_whole_makes_no_dead_letters(outlet, kind, status):
    with _Stranger() as stranger:
        stranger.status = status
        async with outlet(_served(kind, stranger.url)) as one:
            await one.offer(events(0, 3), {})
            await until(lambda: one.status()["retries"] >= 3)
            shown = one.status()
    assert (shown["state"], shown["dead_letters"], shown["queue"]["events"]) == ("broken", 0, 3)
    assert str(status) in shown["detail"]
    assert "no handler found" in shown["detail"]


@pytest.mark.parametrize("status", [400, 404])
async def test_elasticsearch_takes_everything_once_the_address_is_right(outlet, status, monkeypatch):
    monkeypatch.setattr(Writer, "pauses_s", (0.0,))
    with Elastic() as elastic:
        elastic.answers(*[whole(status, b"no handler found for uri")] * 1_000)
        async with outlet(Elasticsearch(url=elastic.url, template=False)) as one:
            await one.offer(events(0, 20), {})
            await until(lambda: one.status()["state"] == "broken")
            elastic._script.clear()
            await until(lambda: one.status()["sent"] == 20)
            assert one.status()["dead_letters"] == 0


async def test_rows_for_an_index_that_may_not_be_written_wait_unless_others_are_taken(outlet, monkeypatch):
    monkeypatch.setattr(Writer, "pauses_s", (0.0,))
    no = {"status": 404, "error": {"type": "index_not_found_exception", "reason": "no such index [safelight]"}}

    def missing(elastic: Elastic, asked: Any) -> Any:
        items = [{"index": no} for _ in asked.items]
        return 200, json.dumps({"errors": True, "items": items}).encode(), {}

    with Elastic() as elastic:
        elastic.answers(*[missing] * 1_000)
        async with outlet(Elasticsearch(url=elastic.url, template=False, retry={"max": 1})) as one:
            await one.offer(events(0, 2), {})
            await until(lambda: one.status()["retries"] > 5)
            status = one.status()
            assert (status["state"], status["dead_letters"], status["queue"]["events"]) == ("broken", 0, 2)
            elastic._script.clear()
            await until(lambda: one.status()["sent"] == 2)
