"""`/alerts` and `/silences`: what the page asks, and how a refusal reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from safelight.alerts.engine import Engine
from safelight.batch import Batch
from safelight.errors import SafelightError
from safelight.store.segments import SegmentStore
from safelight.web import reply
from safelight.web.api import alerts, silences
from support.timeline import TEAM, error, rule

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(tmp_path):
    with SegmentStore.open(tmp_path / "data") as store:
        opened = Engine(store, [rule()], [TEAM], tmp_path / "state.sqlite")
        commit = store.append(Batch.of([error(timestamp=datetime.now(UTC))]))
        opened.step(commit.last_seq)
        yield opened
        opened.close()


@pytest.fixture
async def client(engine):
    web = FastAPI()
    web.state.safelight = SimpleNamespace(alerting=SimpleNamespace(engine=engine))
    web.add_exception_handler(SafelightError, reply.ours)
    web.add_exception_handler(RequestValidationError, reply.invalid)
    web.add_exception_handler(UnicodeEncodeError, reply.no_text)
    web.include_router(alerts.router)
    web.include_router(silences.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://127.0.0.1") as opened:
        yield opened


async def the_alert(client):
    (found,) = (await client.get("/alerts")).json()["alerts"]
    return found


async def test_alerts_come_with_what_is_needed_to_judge_them(client):
    answer = (await client.get("/alerts", params={"status": "firing,pending", "limit": 5})).json()
    assert answer["counts"] == {"pending": 0, "firing": 1, "acknowledged": 0, "muted": 0}
    assert answer["cursor"] is None
    (found,) = answer["alerts"]
    assert set(found) == {
        "id", "rule", "severity", "status", "title", "text", "why", "labels", "count", "value", "started_at", "last_at",
        "ended_at", "run", "error_group", "acknowledged", "escalated", "flapping", "muted", "advice", "notifications",
    }  # fmt: skip
    assert (found["why"], found["run"], found["error_group"]) == ("any level:ERROR", "wf-1", "gpu_oom:VAEDecode")


async def test_texts_are_in_the_language_of_the_reader(client):
    told = {}
    for language in ("en", "zh-CN"):
        answer = await client.get("/alerts", headers={"Accept-Language": language})
        told[language] = answer.json()["alerts"][0]["text"]
    assert told["en"] != told["zh-CN"]
    refused = await client.get("/alerts/nobody", headers={"Accept-Language": "zh-CN"})
    assert (refused.status_code, "没有编号" in refused.json()["detail"]) == (404, True)


async def test_one_alert_is_told_in_full(client):
    found = (await client.get(f"/alerts/{(await the_alert(client))['id']}")).json()
    assert {"transitions", "repairs", "events", "lines", "chart", "links"} <= set(found)
    assert found["notifications"][0]["attempts"] == []


@pytest.mark.parametrize("asked", [{"status": "burning"}, {"cursor": "x"}, {"severity": 9}, {"limit": 0}])
async def test_what_cannot_be_asked_is_a_mistake_of_the_asker(client, asked):
    answer = await client.get("/alerts", params=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_an_alert_is_acknowledged_and_let_go(client):
    path = f"/alerts/{(await the_alert(client))['id']}/acknowledge"
    assert (await client.post(path, json={"by": "ann"})).json()["acknowledged"]["by"] == "ann"
    assert (await client.post(path)).status_code == 200
    assert (await client.delete(path)).json()["acknowledged"] is None
    assert (await client.post("/alerts/nobody/acknowledge")).status_code == 404
    assert (await client.post(path, json={"who": "ann"})).status_code == 400


async def test_an_alert_is_silenced_from_where_it_is_read(client):
    alert = await the_alert(client)
    made = (await client.post(f"/alerts/{alert['id']}/silence", json={"for": "2h", "comment": "new card"})).json()
    assert made["match"] == {"rule": "any-error", **alert["labels"]}
    assert (made["state"], made["muting"], made["comment"]) == ("active", 1, "new card")
    assert (await the_alert(client))["muted"]["by"] == "silence"


async def test_a_silence_is_made_listed_and_taken_back(client):
    made = await client.post("/silences", json={"match": {"severity": 2, "node": "VAE*"}, "for": "2h", "by": "ann"})
    one = made.json()
    assert (made.status_code, one["match"]) == (200, {"severity": "2", "node": "VAE*"})
    assert (await client.get("/silences")).json()["silences"] == [one]
    ended = (await client.delete(f"/silences/{one['id']}")).json()
    assert (ended["state"], ended["muting"]) == ("over", 0)
    assert (await client.delete("/silences/nobody")).status_code == 404


async def test_a_silence_may_begin_later(client):
    begins = datetime.now(UTC) + timedelta(hours=3)
    asked = {"match": {"rule": "*"}, "starts": begins.isoformat(), "until": (begins + timedelta(hours=1)).isoformat()}
    assert (await client.post("/silences", json=asked)).json()["state"] == "waiting"


@pytest.mark.parametrize(
    "asked",
    [
        {"match": {}, "for": "2h"},
        {"match": {"rule": "x"}},
        {"match": {"rule": "x"}, "for": "2h", "until": "2026-11-22"},
        {"match": {"rule": "x"}, "for": "two hours"},
        {"match": {"rule": "x"}, "until": "1999-01-01"},
        {"match": {"rule": "x"}, "for": "9999999d"},
        {"match": {"rule": ["x"]}, "for": "2h"},
    ],
    ids=["nothing", "no end", "two ends", "no duration", "the past", "for ever", "a list"],
)
async def test_a_silence_that_makes_no_sense_is_refused(client, asked):
    answer = await client.post("/silences", json=asked)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/silences", '{"match": {"rule": "\\ud800"}, "for": "1m"}'),
        ("/silences", '{"match": {"rule": "x"}, "for": "1m", "comment": "\\ud800"}'),
    ],
)
async def test_half_a_character_is_refused_with_a_sentence(client, path, body):
    answer = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "surrogate" in answer.json()["detail"]
