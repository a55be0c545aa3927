"""Channels through the API: tried, enabled, refused in the provider's words."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI

from safelight.channels.webhook import Webhook
from safelight.errors import NoSuchEvent, SafelightError
from safelight.web import reply
from safelight.web.api import channels
from support.providers import Answer, Provider

pytestmark = pytest.mark.anyio


class Engine:
    """One broken channel, 值班."""

    def __init__(self):
        self.broken = {"值班"}

    def enable(self, name):
        if name != "值班":
            raise NoSuchEvent("alerts.channel_unknown", channel=name, known="值班")
        was = name in self.broken
        self.broken.discard(name)
        return was

    def channels(self):
        return [{"name": "值班", "state": "broken" if self.broken else "ok"}]


@pytest.fixture
def peer():
    with Provider() as running:
        yield running


@pytest.fixture
async def client(peer):
    hook = Webhook(name="值班", url=f"{peer.url}?key=s3cr3t-s3cr3t", allow_private=True)
    woken = []
    web = FastAPI()
    web.state.safelight = SimpleNamespace(
        config=SimpleNamespace(channels=(hook,), language="zh-CN"),
        alerting=SimpleNamespace(engine=Engine(), delivery=SimpleNamespace(wake=lambda: woken.append(1))),
    )
    web.add_exception_handler(SafelightError, reply.ours)
    web.include_router(channels.router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as asking:
        asking.woken = woken
        yield asking


async def state(client):
    return (await client.get("/channels")).json()["channels"][0]["state"]


async def test_a_test_answers_in_the_providers_words_and_enables_the_channel(client, peer):
    assert await state(client) == "broken"
    answer = await client.post("/channels/值班/test")
    assert answer.status_code == 200
    assert answer.json()["answer"] == "200 OK ok"
    assert answer.json()["took_ms"] > 0
    assert "测试" in peer.received[0].json["title"]
    assert await state(client) == "ok"
    assert client.woken == [1]


async def test_a_refusal_is_a_problem_with_the_words_and_without_the_key(client, peer):
    peer.answers(Answer(403, b"s3cr3t-s3cr3t is no key"))
    answer = await client.post("/channels/值班/test", headers={"Accept-Language": "en"})
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 502
    assert answer.json()["detail"] == "Refused: 403 Forbidden *** is no key"
    assert await state(client) == "broken"
    assert not client.woken


async def test_enabling_is_said_once(client):
    assert (await client.post("/channels/值班/enable")).json() == {"enabled": True}
    assert (await client.post("/channels/值班/enable")).json() == {"enabled": False}
    assert client.woken == [1]


@pytest.mark.parametrize("what", ["test", "enable"])
async def test_an_unknown_channel_is_named(client, what):
    answer = await client.post(f"/channels/pager/{what}", headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert "pager" in answer.json()["detail"]
