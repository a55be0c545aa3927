"""Who may ask: pages of other origins may not, whatever their browser leaves out or makes up."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from safelight.web.security import Guard

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client():
    async def fine(_):
        return PlainTextResponse("fine")

    web = Starlette(routes=[Route("/", fine, methods=["GET", "POST"])])
    web.add_middleware(Guard)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://127.0.0.1:7337") as opened:
        yield opened


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:8188"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Host": "evil.example"},
    ],
    ids=lambda headers: " ".join(f"{name} {value}" for name, value in headers.items()),
)
async def test_a_page_of_another_origin_can_make_nothing_happen(client, headers):
    assert (await client.post("/", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://127.0.0.1:7337"}, {"Sec-Fetch-Site": "same-origin"}, {"Host": "localhost"}],
    ids=lambda headers: " ".join(headers.values()) or "none",
)
async def test_the_own_page_and_programs_may(client, headers):
    assert (await client.post("/", headers=headers)).status_code == 200


async def test_a_link_from_elsewhere_may_be_followed_but_nothing_embedded(client):
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert (await client.get("/", headers=cross | {"Sec-Fetch-Mode": "navigate"})).status_code == 200
    assert (await client.get("/", headers=cross | {"Sec-Fetch-Mode": "no-cors"})).status_code == 403
