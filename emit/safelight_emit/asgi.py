"""ASGI middleware: a request id for every request, one event when it is over, and `/healthz`."""

from __future__ import annotations

from time import perf_counter, time_ns

from .context import bind
from .emit import append
from .encode import new_id
from .plain import cut, error_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any, TypeAlias

    Message: TypeAlias = MutableMapping[str, Any]
    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[Message]]
    Send: TypeAlias = Callable[[Message], Awaitable[None]]
    App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/+=")
_HEX = frozenset("0123456789abcdef")


class Middleware:
    """Wraps an ASGI application: `app.add_middleware(Middleware)` or `app = Middleware(app)`.

    An HTTP request gets `request_id` bound: that of its `X-Request-ID` if it is 1 to 128 harmless characters, else a
    new one; the response carries it. So is `trace_id`, if there is a W3C `traceparent`. When the request is over, one
    event `request_finished` with `method`, `path` (without the query string, 2,048 characters), `status` and
    `duration_ms` follows: INFO, from status 500 on ERROR. An exception is an ERROR with its traceback and goes on its
    way; a cancelled request is a WARNING. WebSockets get the bound ids only; lifespan passes through untouched.

    Args:
        app: the application.
        healthz: path answered here, with 200 and `{"status":"ok"}`, and without an event; None leaves it to the app.
    """

    def __init__(self, app: App, *, healthz: str | None = "/healthz") -> None:
        self._app = app
        self._healthz = healthz

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        kind = scope["type"]
        if kind == "http" and scope["path"] == self._healthz and scope["method"] in {"GET", "HEAD"}:
            await _answer_health(send, body=scope["method"] == "GET")
        elif kind in {"http", "websocket"}:
            ids = _ids(scope)
            with bind(**ids):
                if kind == "http":
                    await self._request(scope, receive, send, ids["request_id"].encode())
                else:
                    await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> None:
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
                message = {**message, "headers": [*headers, (b"x-request-id", request_id)]}
            await send(message)

        fields: dict[str, Any] = {"method": scope["method"], "path": cut(scope["path"], 2048)}
        started = perf_counter()
        level = "INFO"
        try:
            await self._app(scope, receive, send_with_id)
        except BaseException as error:
            failed = isinstance(error, Exception)
            level = "ERROR" if failed else "WARNING"
            if failed and status is None:
                status = 500  # what the server answers for an application that raised
            fields.update(error_fields(type(error), error, error.__traceback__))
            raise
        finally:
            if status is not None:
                fields["status"] = status
                level = "ERROR" if status >= 500 else level
            fields["duration_ms"] = round((perf_counter() - started) * 1000, 3)
            append("request_finished", level, fields)


def _ids(scope: Scope) -> dict[str, str]:
    ids = {"request_id": ""}
    for name, value in scope.get("headers", ()):
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if 0 < len(text) <= 128 and _ID_CHARACTERS.issuperset(text):
                ids["request_id"] = text
        elif name == b"traceparent":
            parts = value.decode("latin-1").split("-")  # W3C Trace Context §3.2: version-trace-parent-flags
            if len(parts) >= 4 and len(parts[1]) == 32 and _HEX.issuperset(parts[1]) and parts[1].strip("0"):
                ids["trace_id"] = parts[1]
    ids["request_id"] = ids["request_id"] or new_id(time_ns())
    return ids


async def _answer_health(send: Send, *, body: bool) -> None:
    text = b'{"status":"ok"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": text if body else b""})
