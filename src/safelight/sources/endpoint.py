"""Sources that others send to over HTTP: on the server's own port, or where they are told to listen.

A request is answered with success only once what it brought is durable. Everything else is an RFC 9457 problem, and
is counted.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from abc import abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, PrivateAttr, SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..batch import Batch
from ..errors import SafelightError
from ..locales import nearest, text
from . import Arrival, Progress, Report
from .bodies import Bodies, Made, Refused
from .inbox import Busy, Inbox, NotDurable
from .listen import Address, Listener, bind

SAID_MAX: Final = 200
"""Characters of a name that a sender may say about all it sends."""

Handler = Callable[[Request], Awaitable[Response]]


class _Relay:
    """The report of a source whose routes are made before anybody reads it."""

    def __init__(self) -> None:
        self.to: Report | None = None

    def reading(self, what: int) -> None:
        if self.to:
            self.to.reading(what)

    def waiting(self, why: SafelightError) -> None:
        if self.to:
            self.to.waiting(why)

    def trouble(self, what: str, error: SafelightError) -> None:
        if self.to:
            self.to.trouble(what, error)

    def recovered(self, what: str) -> None:
        if self.to:
            self.to.recovered(what)

    def took(self, size: int) -> None:
        if self.to:
            self.to.took(size)

    def refused(self, count: int, why: str) -> None:
        if self.to:
            self.to.refused(count, why)

    def progress(self, files: Sequence[Progress]) -> None:
        if self.to:
            self.to.progress(files)


class Endpoint(Listener):
    """A source that others send to over HTTP. Without `listen` it answers on the server's own port."""

    token: SecretStr | None = Field(default=None, min_length=1)
    """Senders must show it: as `Authorization: Bearer`, as `ApiKey`, or as the password of `Basic`. Name it as env:NAME
    or file:PATH."""

    guards: ClassVar[Sequence[str]] = ("token",)
    under: ClassVar[str] = "/api/v1"
    """Where its routes are on the server's port. On a port of its own they are at the root as well."""

    _inbox: Inbox = PrivateAttr(default_factory=Inbox)
    _bodies: Bodies = PrivateAttr(default_factory=Bodies)
    _told: _Relay = PrivateAttr(default_factory=_Relay)
    _bound: Address | None = PrivateAttr(default=None)

    @abstractmethod
    def routes(self, report: Report) -> list[Route]:
        """What it answers, by paths from the root. Handlers are coroutines, and raise what they refuse."""

    def mounted(self) -> list[Route]:
        """Its routes for the server's port, guarded; none where it listens by itself."""
        return self._guarded(self.under) if self.listen is None else []

    @property
    def inbox(self) -> Inbox:
        """Where handlers leave what they took."""
        return self._inbox

    @property
    def bound(self) -> Address | None:
        """Where it listens at the moment, with the port that was found for port 0."""
        return self._bound

    @property
    def name(self) -> str:
        """Its type and where it listens."""
        return f"{self.kind()} {self._bound}" if self._bound else super().name

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """What is sent, as it comes. There is no position to keep: a sender keeps what was not answered."""
        self._told.to = report
        try:
            async with self._listening(), aclosing(self._inbox.arrivals()) as arrivals:
                report.reading(1)
                async for arrival in arrivals:
                    yield arrival
        finally:
            self._told.to = None

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncGenerator[bytes, None]:
        """The body of a request, decompressed. Raises Refused, Busy."""
        async with self._bodies.read(request, self._told.took) as body:
            yield body

    async def apart(self, function: Callable[[bytes], Made], body: bytes) -> Made:
        """What `function` makes of a body; a large one is no work for the event loop."""
        return await self._bodies.work(function, body, size=len(body))

    async def keep(self, batch: Batch, size: int) -> None:
        """Return when the batch is durable. Raises Busy."""
        await self._inbox.put(batch, size)

    def constants(self, request: Request) -> dict[str, str | None]:
        """What all that a request brings has in common: as configured, or else as its query or its headers say, such as
        `?service=ddcolor` or `X-Safelight-Service: ddcolor`."""
        return {name: getattr(self, name) or _said(request, name) for name in ("service", "instance", "tag")}

    def origin(self, request: Request) -> str:
        """What becomes `source` of the events: the type, and who sent them."""
        return f"{self.kind()} {request.client.host}" if request.client else self.kind()

    def refusal(self, request: Request, error: SafelightError) -> Response:
        """An error as an answer: RFC 9457 problem details in the reader's language."""
        language = nearest(request.headers.get("accept-language"))
        status, headers = status_of(error), headers_of(error)
        problem = {
            "type": f"urn:safelight:{error.key}",
            "title": text(f"web.status_{status}", language),
            "status": status,
            "detail": error.render(language),
        }
        return Response(msgspec.json.encode(problem), status, headers, media_type="application/problem+json")

    def _guarded(self, under: str) -> list[Route]:
        return [
            Route(under + route.path, self._careful(route.endpoint), methods=sorted(route.methods or {"GET"}))
            for route in self.routes(self._told)
        ]

    def _careful(self, handler: Handler) -> Handler:
        """Let in who may send; answer every refusal, and count it."""

        async def answer(request: Request) -> Response:
            try:
                self._admit(request)
                return await handler(request)
            except (Refused, Busy) as error:
                self._told.refused(1, error.why if isinstance(error, Refused) else "busy")
                return self.refusal(request, error)
            except ClientDisconnect:
                self._told.refused(1, "broken_off")
                return Response(status_code=400)  # to nobody

        return answer

    def _admit(self, request: Request) -> None:
        if not self.admits(request.client.host if request.client else ""):
            raise Refused("sources.not_admitted", 403, "address")
        if not _of_no_other_page(request):
            raise Refused("sources.foreign_page", 403, "origin")
        if self.token is not None and not shows(request.headers.get("authorization", ""), self.token):
            raise Refused("sources.no_token", 401, "token")

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[None, None]:
        """With a server on the port of its own, if it has one."""
        if self.listen is None:
            yield
            return
        from .own_server import serving  # noqa: PLC0415 - uvicorn takes 40 ms to import, and most have no port of their own

        routes = [*self._guarded(""), *(self._guarded(self.under) if self.under else [])]
        with bind(self.listen) as listener:
            tls = self.tls.context() if self.tls else None
            async with serving(routes, self._elsewhere, listener, tls, self._inbox.close):
                host, port, *_ = listener.getsockname()
                self._bound = Address(host, port)
                try:
                    yield
                finally:
                    self._bound = None

    async def _elsewhere(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return self.refusal(request, Refused("sources.no_such_path", status, "path", path=request.url.path[:SAID_MAX]))


def status_of(error: SafelightError) -> int:
    """The HTTP status of what is not taken."""
    match error:
        case Refused():
            return error.status
        case NotDurable():
            return 503
        case Busy():
            return 429
        case _:
            return 500


def headers_of(error: SafelightError) -> dict[str, str]:
    """What goes with it: when to come again, or what to show."""
    if isinstance(error, Busy):
        return {"Retry-After": f"{error.after_s:.0f}"}
    if status_of(error) == 401:
        return {"WWW-Authenticate": 'Bearer, ApiKey, Basic realm="Safelight", charset="UTF-8"'}
    return {}


def shows(authorization: str, token: SecretStr) -> bool:
    """Whether a request shows the token. Takes as long whether it is nearly right or not at all.

    An API key of Elasticsearch is base64 of `id:key`; it may be that, with the token as the key, or the token itself.
    """
    scheme, _, rest = authorization.strip(" ").partition(" ")
    given = rest.strip(" ").encode("latin-1", "replace")  # as headers are decoded
    shown = {"bearer": [given], "apikey": [given, _after_colon(given)], "basic": [_after_colon(given)]}
    wanted = token.get_secret_value().encode()
    return any([hmac.compare_digest(one, wanted) for one in shown.get(scheme.lower(), ())])  # noqa: C419 - all of them


def _after_colon(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _of_no_other_page(request: Request) -> bool:
    """A page somewhere may make its reader's browser send here; programs say nothing of where they come from."""
    origin = request.headers.get("origin")
    if origin:
        try:
            return urlsplit(origin).netloc == request.headers.get("host", "")
        except ValueError:  # such as `http://[`
            return False
    return request.headers.get("sec-fetch-site", "none") != "cross-site"


def _said(request: Request, name: str) -> str | None:
    header = request.headers.get(f"x-safelight-{name}", "").encode("latin-1", "replace").decode(errors="replace")
    given = (request.query_params.get(name) or header).strip()
    if len(given) > SAID_MAX or not given.isprintable():
        raise Refused("sources.bad_name", 400, "name", name=name, limit=SAID_MAX)
    return given or None
