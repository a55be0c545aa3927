"""Who may send, and a port of one's own: it opens, it closes, and nobody is left waiting."""

from __future__ import annotations

import base64
import ssl
import subprocess
from contextlib import aclosing

import anyio
import anyio.lowlevel
import httpx
import pytest
from pydantic import SecretStr

from safelight.errors import ConfigError
from safelight.sources import own_server
from safelight.sources.elasticsearch_bulk import ElasticsearchBulk
from safelight.sources.endpoint import shows
from safelight.sources.http import Http
from safelight.sources.listen import Address, bind
from support.receiving import Told, lines, receiving

pytestmark = pytest.mark.anyio

TOKEN = "correct horse 电池"
EVENTS = "/api/v1/events"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "shown",
    [
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN} ",
        f"ApiKey {TOKEN}",
        f"ApiKey {encoded('any-id:' + TOKEN)}",
        f"Basic {encoded('anybody:' + TOKEN)}",
        f"Basic {encoded(':' + TOKEN)}",
    ],
)
async def test_a_token_may_be_shown_in_several_ways(shown):
    async with receiving(Http(token=TOKEN)) as http:
        answer = await http.client.post(EVENTS, content=b"a line", headers={b"authorization": shown.encode()})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Digest {TOKEN}",
        TOKEN,
        f"Basic {TOKEN}",
        f"Basic {encoded(TOKEN)}",
        f"Basic {encoded(TOKEN + ':')}",
        "Basic ====",
        f"Bearer {encoded(':' + TOKEN)}",
        "ApiKey caf\xe9",
    ],
)
async def test_anything_else_is_no_token(shown):
    async with receiving(Http(token=TOKEN)) as http:
        answer = await http.client.post(EVENTS, content=b"a line", headers={b"authorization": shown.encode()})
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]
        assert TOKEN not in answer.text
        assert http.told.turned_away == {"token": 1}
        assert http.raw == []


def test_a_header_cannot_make_the_comparison_fail():
    assert not shows("Bearer \u4e2d\ud800", SecretStr("x"))


async def test_the_token_is_shown_to_nobody():
    source = Http(token=TOKEN)
    assert TOKEN not in repr(source)
    assert TOKEN not in str(source.model_dump())


async def test_every_route_wants_it():
    async with receiving(ElasticsearchBulk(token=TOKEN)) as elastic:
        for route in elastic.source.mounted():
            path = route.path.replace("{name:path}", "x").replace("{", "").replace("}", "")
            for method in route.methods:
                answer = await elastic.client.request(method, path)
                assert answer.status_code == 401, (method, path)
                assert answer.headers["x-elastic-product"] == "Elasticsearch"
        answer = await elastic.client.get("/api/v1/")
        assert answer.json()["error"]["type"] == "security_exception"


async def test_only_named_networks_may_send():
    async with receiving(Http(allow_from=["10.0.0.0/8"])) as http:
        assert (await http.post(EVENTS, b"a line")).status_code == 403
        assert http.told.turned_away == {"address": 1}
    async with receiving(Http(allow_from=["127.0.0.0/8"])) as http:
        assert (await http.post(EVENTS, b"a line")).status_code == 200


async def test_its_own_page_may_send_and_no_other():
    async with receiving(Http()) as http:
        assert (await http.post(EVENTS, b"a", origin="http://test")).status_code == 200
        for origin in ("http://test.example", "null", "http://[", "http://test:81"):
            assert (await http.post(EVENTS, b"a", origin=origin)).status_code == 403


async def test_a_source_that_listens_is_not_on_the_port_of_the_server():
    assert Http(listen="127.0.0.1:0").mounted() == []
    assert [route.path for route in Http().mounted()] == [EVENTS]


async def test_before_anybody_collects_requests_wait():
    source = Http()
    async with anyio.create_task_group() as tasks:
        answers = []
        transport = httpx.ASGITransport(_application(source))

        async def send():
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                answers.append((await client.post(EVENTS, content=b"early")).status_code)
            tasks.cancel_scope.cancel()

        tasks.start_soon(send)
        with anyio.fail_after(30):
            while not source.inbox.waiting_bytes:
                await anyio.lowlevel.checkpoint()
        assert answers == []
        async with aclosing(source.arrivals({}, Told())) as arrivals:
            async for arrival in arrivals:
                assert lines(arrival.batch) == [b"early"]
    assert answers == [200]


def _application(source):
    from starlette.applications import Starlette

    return Starlette(routes=source.mounted())


class Listening:
    """A source with a port of its own, collecting."""

    def __init__(self, source):
        self.source, self.told, self.raw = source, Told(), []
        self.open = anyio.Event()
        self.open.set()
        self.scope = anyio.CancelScope()
        self.stopped = anyio.Event()

    async def run(self):
        with self.scope:
            async with aclosing(self.source.arrivals({}, self.told)) as arrivals:
                async for arrival in arrivals:
                    await self.open.wait()
                    self.raw += lines(arrival.batch)
        self.stopped.set()

    async def begun(self):
        with anyio.fail_after(30):
            await self.told.begun.wait()
        return self.source.bound


async def test_it_answers_on_its_own_port_at_the_root_and_where_the_server_does():
    async with anyio.create_task_group() as tasks:
        own = Listening(Http(listen="127.0.0.1:0"))
        tasks.start_soon(own.run)
        bound = await own.begun()
        assert bound.port > 0
        assert own.source.name == f"http 127.0.0.1:{bound.port}"
        async with httpx.AsyncClient(base_url=f"http://{bound}", timeout=30) as client:
            for path in ("/events", EVENTS):
                assert (await client.post(path, content=b"a line")).status_code == 200
            answer = await client.get("/elsewhere", headers={"accept-language": "zh"})
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
            assert "/elsewhere" in answer.json()["detail"]
            assert (await client.get("/events")).status_code == 405
        assert own.raw == [b"a line", b"a line"]
        own.scope.cancel()
        with anyio.fail_after(30):
            await own.stopped.wait()
        assert own.source.bound is None
        with bind(bound):
            pass  # it is free again


async def test_more_connections_than_there_is_room_for_are_told_to_come_again(monkeypatch):
    monkeypatch.setattr(own_server, "CONNECTIONS", 2)
    async with anyio.create_task_group() as tasks:
        own = Listening(Http(listen="127.0.0.1:0"))
        tasks.start_soon(own.run)
        bound = await own.begun()
        async with (
            httpx.AsyncClient(base_url=f"http://{bound}", timeout=30) as first,
            httpx.AsyncClient(base_url=f"http://{bound}", timeout=30) as second,
        ):
            assert (await first.post("/events", content=b"a line")).status_code == 200
            assert (await second.post("/events", content=b"another")).status_code == 503
            assert (await first.post("/events", content=b"a line")).status_code == 200
        assert own.raw == [b"a line", b"a line"]
        own.scope.cancel()


async def test_who_waits_when_it_stops_is_told_to_come_again():
    async with anyio.create_task_group() as tasks:
        own = Listening(Http(listen="127.0.0.1:0"))
        own.open = anyio.Event()
        tasks.start_soon(own.run)
        bound = await own.begun()
        answers = []

        async def send():
            async with httpx.AsyncClient(timeout=60) as client:
                answers.append((await client.post(f"http://{bound}/events", content=b"a line")).status_code)

        async with anyio.create_task_group() as sending:
            sending.start_soon(send)
            with anyio.fail_after(30):
                while not own.source.inbox.waiting_bytes:
                    await anyio.wait_all_tasks_blocked()
            own.scope.cancel()
        with anyio.fail_after(30):
            await own.stopped.wait()
    assert answers == [503]


async def test_it_can_start_again():
    source = Http(listen="127.0.0.1:0")
    for _ in range(2):
        async with anyio.create_task_group() as tasks:
            own = Listening(source)
            tasks.start_soon(own.run)
            bound = await own.begun()
            async with httpx.AsyncClient(timeout=30) as client:
                assert (await client.post(f"http://{bound}/events", content=b"a line")).status_code == 200
            own.scope.cancel()
        assert own.raw == [b"a line"]


async def test_a_port_that_is_taken_is_told():
    with bind(Address("127.0.0.1", 0)) as taken:
        source = Http(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        async with aclosing(source.arrivals({}, Told())) as arrivals:
            with pytest.raises(ConfigError, match="Cannot listen"):
                await anext(arrivals)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")]
    subprocess.run([*request, *subject, *files], check=True, capture_output=True, timeout=60)
    return folder


async def test_with_a_certificate_it_speaks_only_tls(certificate):
    tls = {"cert": certificate / "server.crt", "key": certificate / "server.key"}
    async with anyio.create_task_group() as tasks:
        own = Listening(ElasticsearchBulk(listen="127.0.0.1:0", tls=tls, token=TOKEN))
        tasks.start_soon(own.run)
        bound = await own.begun()
        context = ssl.create_default_context(cafile=str(certificate / "server.crt"))
        async with httpx.AsyncClient(verify=context, timeout=30, auth=("anybody", TOKEN)) as client:
            answer = await client.post(f"https://localhost:{bound.port}/_bulk", content=b'{"index":{}}\n{"a":1}\n')
            assert answer.json()["errors"] is False
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://localhost:{bound.port}/")
        assert len(own.raw) == 1
        own.scope.cancel()


async def test_a_sender_that_breaks_off_leaves_nothing_behind():
    async with anyio.create_task_group() as tasks:
        own = Listening(Http(listen="127.0.0.1:0"))
        tasks.start_soon(own.run)
        bound = await own.begun()
        async with await anyio.connect_tcp(bound.host, bound.port) as stream:
            await stream.send(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf a li")
        with anyio.fail_after(30):
            while not own.told.turned_away:
                own.told.news = anyio.Event()
                await own.told.news.wait()
        assert own.told.turned_away == {"broken_off": 1}
        assert own.raw == []
        assert own.source._bodies._in_hand == 0
        own.scope.cancel()
