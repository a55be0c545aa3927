"""Those who connect to a listener over TCP or TLS: who may, how many, and what becomes of one who does not behave."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from ..errors import InputError, SafelightError
from . import Report
from .listen import Address, Listener

CONNECTIONS: Final = 1_000
"""At a time; one more is closed at once."""
HANDSHAKE_S: Final = 10.0
"""For TLS, and for the handshake of a protocol."""
STALL_S: Final = 60.0
"""How long a message may be unfinished without another byte of it."""
AT_ONCE: Final = 256 * 1024
"""Bytes received at a time."""
SOCKETS_AGAIN_S: Final = 1.0
"""When there is no descriptor left for another connection."""
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))  # dead is who says nothing 2 min


@dataclass
class Peer:
    """Somebody who is connected."""

    host: str
    stream: ByteStream
    well: Callable[[], None]
    """To be called when what it sent was taken: whatever was wrong with it before is over."""

    async def receive(self, within_s: float | None = None) -> bytes:
        """What came; nothing at the end. Raises TimeoutError when nothing came `within_s` seconds."""
        try:
            with anyio.fail_after(within_s):
                return await self.stream.receive(AT_ONCE)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return b""

    async def send(self, data: bytes) -> None:
        """Send, or not when nobody is there any more."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self.stream.send(data)


@asynccontextmanager
async def listening(
    source: Listener, talk: Callable[[Peer], Awaitable[None]], report: Report
) -> AsyncGenerator[Address, None]:
    """Somebody listens meanwhile, and talks to each peer; where is yielded. Raises InputError, ConfigError."""
    assert source.listen is not None  # noqa: S101 - its plugin demands it
    context = source.tls.context() if source.tls else None
    try:
        listener = await anyio.create_tcp_listener(local_host=source.listen.host, local_port=source.listen.port)
    except OSError as error:
        raise InputError("sources.cannot_listen", address=source.listen, reason=error.strerror or error) from error
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - anyio's
    doors = _Doors(source, talk, report, context)
    task = asyncio.create_task(doors.serve(listener))  # no task group: this is left in the middle, by GeneratorExit
    try:
        yield Address(source.listen.host, port)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await listener.aclose()


@dataclass
class _Doors:
    source: Listener
    talk: Callable[[Peer], Awaitable[None]]
    report: Report
    context: ssl.SSLContext | None
    count: int = 0

    async def serve(self, listener: Any) -> None:
        async with anyio.create_task_group() as talks:  # of its own: a failure to accept ends none of them
            while True:
                try:
                    await listener.serve(self._meet, talks)
                except* OSError as errors:
                    reason = errors.exceptions[0]
                    self.report.trouble(self.source.name, InputError("sources.cannot_accept", reason=reason))
                await anyio.sleep(SOCKETS_AGAIN_S)

    async def _meet(self, stream: SocketStream) -> None:
        host = str(stream.extra(SocketAttribute.remote_address, ("", 0))[0])  # noqa: S610 - anyio's
        async with stream:
            if not self.source.admits(host):
                self.report.refused(1, "address")
            elif self.count >= CONNECTIONS:
                self.report.refused(1, "connections")
            else:
                self._tell(+1)
                try:
                    await self._talk(host, stream)
                finally:
                    self._tell(-1)

    def _tell(self, change: int) -> None:
        self.count += change
        self.report.recovered(self.source.name)
        self.report.reading(self.count)

    async def _talk(self, host: str, stream: SocketStream) -> None:
        who = f"{self.source.name} < {host}"
        well = partial(self.report.recovered, who)
        try:
            _keep_alive(stream)
            if self.context is None:
                await self.talk(Peer(host, stream, well))
            else:
                with anyio.fail_after(HANDSHAKE_S):
                    safe = await TLSStream.wrap(
                        stream, server_side=True, ssl_context=self.context, standard_compatible=False
                    )
                await self.talk(Peer(host, safe, well))
        except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
            self._complain(who, "tls", InputError("sources.no_tls", reason=getattr(error, "reason", None) or error))
        except TimeoutError:
            self._complain(who, "slow", InputError("sources.peer_slow"))
        except SafelightError as error:
            self._complain(who, getattr(error, "why", "malformed"), error)
        except Exception as error:  # noqa: BLE001 - whatever one sends, the others are still heard
            reason = f"{type(error).__name__}: {error}"
            self._complain(who, "failed", InputError("sources.peer_failed", reason=reason))

    def _complain(self, who: str, why: str, error: SafelightError) -> None:
        self.report.refused(1, why)
        self.report.trouble(who, error)


def _keep_alive(stream: SocketStream) -> None:
    """Notice a peer that is gone without a word; one that is only silent may stay."""
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
