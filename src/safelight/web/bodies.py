"""How much may be sent to us at once: a body is read whole before anybody looks at it, so a large one is refused."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..locales import nearest
from .reply import refusal

MOST_BYTES: Final = 1024 * 1024
"""Rules, silences, queries. What `safelight ingest` sends is limited by itself."""
STREAMED: Final = frozenset({"/api/v1/arrivals"})


class Bodies:
    """ASGI middleware: answers 413 instead of taking a body over the limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the body in, then hand it on."""
        if scope["type"] != "http" or scope["path"] in STREAMED or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        taken: list[Message] = []
        size, more = 0, True
        while more and size <= MOST_BYTES:
            message = await receive()
            taken.append(message)
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        if size > MOST_BYTES:
            language = nearest(Headers(scope=scope).get("accept-language"))
            await refusal("web.too_large", 413, language, limit=MOST_BYTES >> 20)(scope, receive, send)
            return
        taken.reverse()

        async def again() -> Message:
            return taken.pop() if taken else await receive()

        await self._app(scope, again, send)
