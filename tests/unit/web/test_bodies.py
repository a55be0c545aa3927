"""What is sent to us at once has a limit."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.routing import Route

from safelight.sources.slashes import Slashes
from safelight.web.bodies import MOST_BYTES, Bodies

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client():
    web = FastAPI()
    streamed = [Route(path, lambda request: None, methods=["POST"]) for path in ("/api/v1/arrivals", "/{index}/_bulk")]
    web.add_middleware(Bodies, streamed=streamed)
    web.add_middleware(Slashes)

    @web.post("/api/v1/rules")
    @web.put("/api/v1/arrivals")
    @web.post("/api/v1/arrivals")
    @web.post("/logs/_bulk")
    async def length(request: Request) -> int:
        return len(await request.body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test") as asking:
        yield asking


async def pieces(count):
    for _ in range(count):
        yield b"x" * 65_536


async def test_a_body_within_the_limit_arrives_whole(client):
    assert (await client.post("/api/v1/rules", content=b"x" * MOST_BYTES)).json() == MOST_BYTES
    assert (await client.post("/api/v1/rules", content=pieces(3))).json() == 3 * 65_536
    assert (await client.post("/api/v1/rules")).json() == 0


async def test_a_larger_one_is_refused_with_its_limit_however_it_comes(client):
    for content in (b"x" * (MOST_BYTES + 1), pieces(17)):
        answer = await client.post("/api/v1/rules", content=content)
        assert (answer.status_code, "1 MB" in answer.json()["detail"]) == (413, True)


async def test_where_events_are_sent_to_has_a_limit_of_its_own(client):
    for path in ("/api/v1/arrivals", "/logs/_bulk", "http://test//logs//_bulk"):
        assert (await client.post(path, content=pieces(17))).json() == 17 * 65_536
    assert (await client.put("/api/v1/arrivals", content=pieces(17))).status_code == 413
