"""How much may be sent to us at once: a body is read whole before anybody looks at it, so a large one is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..locales import nearest
from .reply import refusal

MOST_BYTES: Final = 1024 * 1024
"""Rules, silences, queries."""


class Bodies:
    """ASGI middleware: answers 413 instead of taking a body over the limit. `streamed`: routes with a limit of their
    own, such as those that events are sent to."""

    def __init__(self, app: ASGIApp, streamed: Sequence[Route] = ()) -> None:
        self._app = app
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the body in, then hand it on."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"} or self._is_streamed(scope):
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

    def _is_streamed(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._streamed)
