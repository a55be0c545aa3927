"""What was done about alerts, over the API; and a dry run carried out."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from safelight.alerts.database import Database
from safelight.alerts.repairs import Repairs
from safelight.alerts.rule import Rule
from safelight.errors import SafelightError
from safelight.remedies.cause import Said
from safelight.web import reply
from safelight.web.api import repairs as api

pytestmark = pytest.mark.anyio
RULE = Rule(id="oom", when="any level:ERROR", then=[{"free_memory": {}}, {"requeue": {}}])


class Worker:
    dry_run, woken = True, 0

    def wake(self):
        self.woken += 1


@pytest.fixture
def repairs():
    database = Database(None)
    made = Repairs(database, lambda: datetime.now(UTC))
    for number in range(3):
        made.begin(SimpleNamespace(id=f"a{number}", severity=3, labels={"instance": "gpu-1"}, events=[]), RULE)
    yield made
    database.close()


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
async def client(repairs, worker):
    web = FastAPI()
    alerting = SimpleNamespace(engine=SimpleNamespace(repairs=repairs), remedying=worker)
    web.state.safelight = SimpleNamespace(alerting=alerting)
    web.add_exception_handler(SafelightError, reply.ours)
    web.include_router(api.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://x") as opened:
        yield opened


async def test_repairs_are_listed_newest_first_of_all_or_of_one_alert(client):
    listed = (await client.get("/repairs", params={"limit": 2})).json()["repairs"]
    assert [one["alert"] for one in listed] == ["a2", "a1"]
    (one,) = (await client.get("/repairs", params={"alert": "a0"})).json()["repairs"]
    shown = {"rule": "oom", "remedy": "free_memory", "instance": "gpu-1", "status": "waiting", "dry_run": True}
    assert {name: one[name] for name in shown} == shown
    assert one["said"] == "Have gpu-1 unload its models and free memory."


async def test_a_dry_run_is_carried_out_when_a_person_says_so(client, repairs, worker):
    named = repairs.waiting()[0]
    repairs.name(named, [Said("remedies.would"), named.remedy.plan(named.cause)])
    answer = (await client.post(f"/repairs/{named.id}/do", headers={"accept-language": "zh"})).json()
    assert (answer["alert"], answer["status"], answer["dry_run"]) == ("a0", "waiting", False)
    assert answer["said"] == "让 gpu-1 卸载模型并释放内存。"
    assert worker.woken == 1


async def test_what_was_no_dry_run_or_is_unknown_is_refused(client, repairs):
    refused = await client.post(f"/repairs/{repairs.waiting()[0].id}/do")
    assert refused.status_code == 400
    assert "Only what a dry run named can be carried out" in refused.json()["detail"]
    assert (await client.post("/repairs/nonesuch/do")).status_code == 404
