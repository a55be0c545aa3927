import asyncio
import uuid

import httpx
import pytest

from safelight_emit import current, event, flush
from safelight_emit.asgi import Middleware


async def app(scope, receive, send):
    """Emits, then answers as its path says."""
    event("working")
    if scope["path"] == "/raise":
        raise ValueError("bad image")
    if scope["path"] == "/cancel":
        raise asyncio.CancelledError
    status = int(scope["path"].strip("/") or 200)
    headers = [(b"x-request-id", b"the-app's-own"), (b"a", b"b")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"body"})


def request(path="/", application=app, method="GET", wrap=Middleware, **settings):
    async def go():
        transport = httpx.ASGITransport(wrap(application))
        async with httpx.AsyncClient(transport=transport, base_url="http://photo") as client:
            return await client.request(method, path, **settings)

    return asyncio.run(go())


def finished(spool):
    assert flush(60)
    (line,) = spool.named("request_finished")
    return line


def test_a_request_is_one_event_without_its_query_string(spool):
    request("/201?token=sk-1", method="POST")
    line = finished(spool)
    assert (line["method"], line["path"], line["status"], line["level"]) == ("POST", "/201", 201, "INFO")
    assert line["duration_ms"] >= 0
    assert "sk-1" not in str(spool.events)


def test_a_request_gets_an_id_that_its_events_and_its_response_share(spool):
    response = request()
    given = response.headers.get_list("x-request-id")
    assert len(given) == 1
    assert uuid.UUID(given[0]).version == 7
    assert response.headers["a"] == "b"
    assert {line["request_id"] for line in (*spool.named("working"), finished(spool))} == {given[0]}
    assert current() == {}


def test_a_sane_id_of_the_client_is_kept(spool):
    response = request(headers={"X-Request-ID": "abc-1.2:3"})
    assert response.headers["x-request-id"] == "abc-1.2:3"
    assert finished(spool)["request_id"] == "abc-1.2:3"


@pytest.mark.parametrize("bad", ["", "x" * 129, "a b", "<script>", "a\tb", "é"])
def test_any_other_id_is_replaced(spool, bad):
    response = request(headers=[(b"x-request-id", bad.encode("latin-1"))])
    assert uuid.UUID(response.headers["x-request-id"])


def test_the_trace_of_the_caller_is_continued(spool):
    trace = "0af7651916cd43dd8448eb211c80319c"
    request(headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert finished(spool)["trace_id"] == trace


@pytest.mark.parametrize("bad", ["00-0-0-0", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "x", "00-" + "G" * 32 + "-1-1"])
def test_a_trace_that_is_none_is_ignored(spool, bad):
    request(headers={"traceparent": bad})
    assert "trace_id" not in finished(spool)


def test_a_server_error_is_an_error(spool):
    request("/503")
    assert finished(spool)["level"] == "ERROR"


def test_an_exception_is_an_error_with_its_traceback_and_goes_on(spool):
    with pytest.raises(ValueError, match="bad image"):
        request("/raise")
    line = finished(spool)
    assert (line["level"], line["status"], line["error_type"]) == ("ERROR", 500, "ValueError")
    assert "ValueError: bad image" in line["traceback"]
    assert line["request_id"]


def test_a_cancelled_request_is_a_warning_without_a_status(spool):
    with pytest.raises(asyncio.CancelledError):
        request("/cancel")
    line = finished(spool)
    assert (line["level"], line["error_type"]) == ("WARNING", "CancelledError")
    assert "status" not in line


@pytest.mark.parametrize(("method", "body"), [("GET", b'{"status":"ok"}'), ("HEAD", b"")])
def test_healthz_is_answered_without_the_application_and_without_an_event(spool, method, body):
    response = request("/healthz", method=method)
    assert (response.status_code, response.content) == (200, body)
    assert response.headers["content-length"] == "15"
    assert flush(60)
    assert spool.events == []


def test_healthz_can_be_left_to_the_application(spool):
    async def own(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert request("/healthz", own, wrap=lambda inner: Middleware(inner, healthz=None)).status_code == 204


def test_lifespan_passes_untouched_and_a_websocket_gets_its_id_only(spool):
    seen = []

    async def inner(scope, receive, send):
        seen.append((scope, receive, send, current()))

    async def go():
        for scope in ({"type": "lifespan"}, {"type": "websocket", "path": "/ws", "headers": []}):
            await Middleware(inner)(scope, "receive", "send")

    asyncio.run(go())
    assert seen[0] == ({"type": "lifespan"}, "receive", "send", {})
    assert seen[1][1:3] == ("receive", "send")
    assert list(seen[1][3]) == ["request_id"]
    assert flush(60)
    assert spool.events == []


def test_it_is_added_to_fastapi_like_any_middleware(spool):
    fastapi = pytest.importorskip("fastapi")
    site = fastapi.FastAPI()
    site.add_middleware(Middleware)

    @site.get("/photos/{number}")
    async def photo(number: int):
        event("looked", number=number)
        return current()

    response = request("/photos/7", site, wrap=lambda inner: inner)
    assert response.json() == {"request_id": response.headers["x-request-id"]}
    assert finished(spool)["path"] == "/photos/7"
