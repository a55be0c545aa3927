"""What every answer carries, and who may ask.

Until there is access control, only this machine may: requests whose Host is not a loopback name are refused, which
also stops DNS rebinding, and so is what a page of another origin sends or embeds; a link from there may be followed.
One thing is open to readers of messages elsewhere: the pages behind signed links, under the host of `[server] url`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..locales import nearest
from .reply import refusal

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SIGNED: Final = re.compile(r"/act/[A-Za-z0-9_-]{1,1000}")
"""The pages that carry their own permission; nothing else is open to another host."""


class Guard:
    """ASGI middleware. `public` is `[server] url`, where readers of messages reach us."""

    def __init__(self, app: ASGIApp, public: str | None = None) -> None:
        self._app = app
        self._public = _netloc(public or "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse strangers, mark answers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = self._objection(scope["method"], scope["path"], headers)
        if key:
            language = nearest(headers.get("accept-language"))
            answer = refusal(key, 403, language)
            await answer(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    given.setdefault(name, value)  # an answer may be stricter about itself
            await send(message)

        await self._app(scope, receive, marked)

    def _objection(self, method: str, path: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        signed = bool(self._public) and SIGNED.fullmatch(path) is not None
        if _hostname(host) not in LOOPBACK and not (signed and _hostname(host) == _hostname(self._public)):
            return "web.foreign_host"
        reading = method in READING
        origin = headers.get("origin")
        own = {host, self._public} if signed else {host}  # a proxy may hand on another Host than the browser named
        if not reading and origin and _netloc(origin) not in own:
            return "web.foreign_origin"
        followed = reading and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") == "cross-site" and not followed:  # an answer may cost work, such as a bundle
            return "web.foreign_origin"
        return None


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as `http://[`
        return ""


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # such as `[`
        return ""
