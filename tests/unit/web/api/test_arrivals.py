"""The way by which agents and `safelight ingest` hand over what they have."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
import zstandard
from starlette.applications import Starlette

from safelight.arrivals import MEDIA_TYPE, Consignment
from safelight.batch import Batch
from safelight.errors import StoreError, StoreFull
from safelight.sources.bodies import MOST_BYTES
from safelight.sources.inbox import Busy
from safelight.web.api import arrivals

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BATCH = Batch.of({"id": f"e{n}", "timestamp": NOW, "received_at": NOW, "message": "m"} for n in range(5))


class App:
    """Receives, or raises what it is told to."""

    def __init__(self):
        self.received = []
        self.trouble = None
        self.store = SimpleNamespace(checkpoint=lambda prefix: {f"{prefix}a.log": "17"})

    async def receive(self, consignment):
        if self.trouble is not None:
            raise self.trouble
        self.received.append(consignment)
        return {"events": len(consignment.batch), "not_understood": 0}


@pytest.fixture
def app():
    return App()


@pytest.fixture
async def client(app):
    web = Starlette(routes=arrivals.routes)
    web.state.safelight = app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as asking:
        yield asking


def post(client, body, **headers):
    given = {"Content-Type": MEDIA_TYPE} | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/api/v1/arrivals", content=body, headers=given)


def body(batch=BATCH):
    return Consignment.understood(batch, "gpu-7", "gpu-7.1").dump()


@pytest.mark.parametrize("coding", ["", "zstd"])
async def test_a_consignment_is_received_as_it_was_sent(client, app, coding):
    sent = zstandard.compress(body()) if coding else body()
    answer = await post(client, sent, **({"Content_Encoding": coding} if coding else {}))
    assert (answer.status_code, answer.json()) == (200, {"events": 5, "not_understood": 0})
    (received,) = app.received
    assert received.batch.table.equals(BATCH.table)
    assert (received.label.agent, received.label.understood) == ("gpu-7", True)


async def test_a_small_body_that_becomes_a_large_one_is_refused(client, app):
    bomb = zstandard.compress(b"\0" * (MOST_BYTES + 1))
    answer = await post(client, bomb, Content_Encoding="zstd")
    assert answer.status_code == 413
    assert len(bomb) < 10_000
    assert not app.received


async def test_a_body_over_the_limit_is_refused_by_its_length_alone(client):
    answer = await post(client, b"", Content_Length=str(MOST_BYTES + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"Content_Type": "text/plain"}, b"x", 400),
        ({}, b"x" * 100, 400),
        ({"Content_Encoding": "zstd"}, b"x" * 100, 400),
        ({"Content_Encoding": "br"}, b"x", 415),
        ({"Content_Encoding": "zstd, zstd"}, b"x", 415),
    ],
    ids=["another type", "no arrow", "no zstd", "another coding", "two codings"],
)
async def test_what_is_no_consignment_is_refused_in_words(client, app, headers, content, status):
    answer = await post(client, content, **headers)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert not app.received


@pytest.mark.parametrize(
    ("trouble", "status", "pause"),
    [
        (Busy("sources.busy"), 503, "5"),
        (StoreFull("store.full", path="/data"), 507, None),
        (StoreError("store.closed"), 503, None),
    ],
    ids=["busy", "full", "closed"],
)
async def test_what_is_not_stored_is_not_acknowledged(client, app, trouble, status, pause):
    app.trouble = trouble
    answer = await post(client, body())
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == pause


async def test_how_far_files_were_imported_can_be_asked(client):
    assert (await client.get("/api/v1/arrivals")).json() == {"checkpoint": {"ingest:a.log": "17"}}
