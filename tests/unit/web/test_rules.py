"""Rules through the API: listed, changed, refused with the place, tried."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import anyio
import anyio.from_thread
import httpx
import pytest
from fastapi import FastAPI

from safelight.alerts.database import Database
from safelight.alerts.own_rules import OwnRules
from safelight.app.rulebook import Rulebook
from safelight.batch import Batch
from safelight.config import load
from safelight.errors import QueryTooCostly, SafelightError
from safelight.store.segments import SegmentStore
from safelight.web import reply
from safelight.web.api import rules

pytestmark = pytest.mark.anyio
FILE = '[[rules]]\nid = "of-file"\nwhen = "any event:x"\n'
MINE = {"id": "mine", "when": "any level:ERROR"}


@pytest.fixture
async def client(tmp_path):
    file = tmp_path / "safelight.toml"
    file.write_text(FILE, encoding="utf-8")
    config = load(file, {})
    database = Database(None)
    store = SegmentStore.open(tmp_path / "data")
    web = FastAPI()
    web.state.safelight = SimpleNamespace(
        config=config,
        store=store,
        alerting=SimpleNamespace(rulebook=Rulebook(config, OwnRules(database), lambda *_, **__: None)),
    )
    web.add_exception_handler(SafelightError, reply.ours)
    web.include_router(rules.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as asking:
        asking.store, asking.web = store, web
        yield asking
    store.close()
    database.close()


def told(answer):
    body = answer.json()
    return answer.status_code, body.get("type", "").removeprefix("urn:safelight:"), body


async def test_every_rule_is_listed_with_where_it_comes_from(client):
    listed = {rule["id"]: rule for rule in (await client.get("/rules")).json()["rules"]}
    assert (listed["of-file"]["origin"], listed["of-file"]["place"]) == ("file", "safelight.toml:2")
    assert (listed["oom"]["origin"], listed["oom"]["title"]) == ("default", "Out of GPU memory")
    titles = (await client.get("/rules", headers={"Accept-Language": "zh-CN"})).json()["rules"]
    assert {rule["id"]: rule["title"] for rule in titles}["oom"] == "显存不足"


async def test_a_rule_is_made_changed_and_removed(client):
    made = (await client.post("/rules", json=MINE)).json()
    assert (made["rule"]["origin"], made["rule"]["editable"], made["warnings"]) == ("page", True, [])
    changed = (await client.put("/rules/mine", json={"when": "any  level:CRITICAL"})).json()
    assert changed["rule"]["when"] == "any level:CRITICAL"
    assert (await client.delete("/rules/mine")).json() == {"removed": "mine"}
    assert told(await client.delete("/rules/mine"))[:2] == (404, "rules.no_such_rule")


async def test_a_rule_of_the_file_is_refused_with_its_place(client):
    for answer in (
        await client.put("/rules/of-file", json=MINE | {"id": "of-file"}),
        await client.delete("/rules/of-file"),
    ):
        status, kind, problem = told(answer)
        assert (status, kind, problem["status"], problem["title"]) == (409, "rules.in_file", 409, "Conflict")
        assert "safelight.toml:2" in problem["detail"]
    assert told(await client.post("/rules", json=MINE | {"id": "of-file"}))[:2] == (409, "rules.exists")


async def test_a_mistake_is_told_with_its_field_and_place(client):
    status, kind, problem = told(
        await client.post("/rules/check", json={"id": "r", "when": "any level:LOUD", "colour": 1})
    )
    assert (status, kind, problem["field"], problem["position"]) == (400, "rules.mistaken", "when", 10)
    assert problem["caret"].splitlines()[1].strip() == "^"
    assert [mistake["field"] for mistake in problem["mistakes"]] == ["when", "colour"]


async def test_a_good_rule_is_answered_as_it_is_understood(client):
    answer = (await client.post("/rules/check", json={"id": "r", "when": "any  level:(ERROR)"})).json()
    assert answer == {"ok": True, "when": "any level:ERROR", "warnings": []}
    assert "r" not in {rule["id"] for rule in (await client.get("/rules")).json()["rules"]}


async def test_a_rule_is_tried_on_what_was_stored(client):
    now = datetime.now(UTC)
    rows = [
        {
            "id": f"e{hours}",
            "timestamp": now - timedelta(hours=hours),
            "received_at": now,
            "level": "ERROR",
            "node": "A",
        }
        for hours in (30, 5, 2)
    ]
    client.store.append(Batch.of(rows))
    answer = (await client.post("/rules/backtest", json={"rule": {"when": "any level:ERROR"}, "from": "now-1d"})).json()
    assert (answer["total"], answer["matched"], answer["chart"]) == (2, 2, None)
    assert answer["messages"] == 4
    assert [firing["labels"] for firing in answer["firings"]] == [{"node": "A"}] * 2
    assert not any(firing["title"].startswith("Resolved") for firing in answer["firings"])
    assert len(answer["histogram"]) == 120
    assert sum(bar["firings"] for bar in answer["histogram"]) == 2
    assert sum(bar["messages"] for bar in answer["histogram"]) == 4
    by_id = (await client.post("/rules/backtest", json={"id": "any-error"})).json()
    assert by_id["total"] == 3


async def test_what_cannot_be_tried_says_why(client):
    ask = "/rules/backtest"
    assert told(await client.post(ask, json={}))[:2] == (400, "rules.rule_or_id")
    assert told(await client.post(ask, json={"id": "nothing"}))[:2] == (404, "rules.no_such_rule")
    assert told(await client.post(ask, json={"id": "oom", "from": "now-91d"}))[:2] == (400, "alerts.backtest_span")
    assert told(await client.post(ask, json={"rule": {"when": "any x::"}}))[:2] == (400, "rules.mistaken")


async def test_a_trial_ends_when_whoever_asked_has_gone(client, monkeypatch):
    asked, ended = anyio.Event(), []

    def forever(*_, unwanted, **__):
        anyio.from_thread.run_sync(asked.set)
        until = time.monotonic() + 30
        while not unwanted() and time.monotonic() < until:
            time.sleep(0.01)
        ended.append(unwanted())
        raise QueryTooCostly("alerts.backtest_unwanted")

    monkeypatch.setattr(rules, "rule_tried", forever)
    hung_up = anyio.Event()
    sent = iter([{"type": "http.request", "body": b'{"id": "oom"}', "more_body": False}])

    async def receive():
        if (message := next(sent, None)) is not None:
            return message
        if not hung_up.is_set():
            await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(_):
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/rules/backtest",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.web, scope, receive, send)
            await asked.wait()
            hung_up.set()
    assert ended == [True]
