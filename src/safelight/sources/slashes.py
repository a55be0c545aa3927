"""Paths with a slash too many: Fluentd's Elasticsearch plugin asks for `//` and `//_bulk` where its `path` is `/`."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_SEVERAL: Final = re.compile("//+")


class Slashes:
    """ASGI middleware: several slashes are as good as one. The outermost, so that all others see the same path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request with the path that was meant."""
        if scope["type"] == "http" and "//" in scope["path"]:
            scope = {**scope, "path": _SEVERAL.sub("/", scope["path"])}
        await self._app(scope, receive, send)
