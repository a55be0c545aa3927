"""A small HTTP server for one source: on a socket that is open already, until the block ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from .slashes import Slashes

STOPPING_S: Final = 2
"""How long requests may take to end when it stops."""
CONNECTIONS: Final = 1_000
"""At a time; what comes over one more is answered 503, before anything of it is read."""
KEEP_ALIVE_S: Final = 75
"""How long a connection may idle: longer than the pauses between two batches of the usual senders, 1 to 60 s."""


class _Server(uvicorn.Server):
    """Leaves signals to those whose process it is."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing."""
        yield


@asynccontextmanager
async def serving(
    routes: Sequence[BaseRoute],
    elsewhere: Callable[[Request, Exception], Awaitable[Response]],
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    on_end: Callable[[], None],
) -> AsyncGenerator[None, None]:
    """Answer `routes`, and all else by `elsewhere`. `on_end` is called as soon as it stops, also if it does by itself:
    whoever still waits for an answer has to be given one. Raises what it fell over."""
    web = Starlette(routes=routes, exception_handlers={HTTPException: elsewhere})
    config = uvicorn.Config(
        Slashes(web),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,  # who sends is who connects: `allow_from` asks
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOPPING_S,
    )
    config.load()
    config.ssl = tls
    server = _Server(config)
    answering = asyncio.create_task(server.serve(sockets=[listener]))
    answering.add_done_callback(lambda _: on_end())
    try:
        yield
    finally:
        on_end()
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await asyncio.wait({answering}, timeout=STOPPING_S + 1)
            if not answering.done():
                answering.cancel()
                await asyncio.wait({answering})
    if not answering.cancelled():
        answering.result()
