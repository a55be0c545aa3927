"""A line to one of several servers that speak the forward protocol: which one, and what to do when it fails."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

import anyio
from anyio.abc import ByteStream

from ..errors import SinkError
from ..wire.forward.frames import Framer, Malformed
from ..wire.forward.handshake import PING_LIMIT, Visitor
from ..wire.forward.messages import acknowledged

FORGIVEN_S: Final = 60.0
"""How long a server that failed comes last; and how long a standby is used before the others are tried again."""
_AT_ONCE: Final = 64 * 1024
_CLOSING_S: Final = 2.0
_LOST: Final = (OSError, ssl.SSLError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A server to connect to."""

    host: str
    port: int
    name: str | None
    """In its certificate, when that is not the host."""
    weight: int
    standby: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass
class Standing:
    """Which servers failed lately. Outlives a connection."""

    failed_at: dict[Chosen, float] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic

    def failed(self, server: Chosen) -> None:
        """It did not answer, or broke off."""
        self.failed_at[server] = self.clock()

    def answered(self, server: Chosen) -> None:
        """It took a batch."""
        self.failed_at.pop(server, None)

    def order(self, servers: Sequence[Chosen]) -> list[Chosen]:
        """In which order to try them: by chance and weight, those on standby later, those that failed last."""
        chance = {server: random.random() ** (1 / server.weight) for server in servers}  # noqa: S311 - a choice of ways

        def rank(server: Chosen) -> tuple[bool, bool, float]:
            return self.is_down(server), server.standby, -chance[server]

        return sorted(servers, key=rank)

    def is_down(self, server: Chosen) -> bool:
        """Whether it failed within the last minute."""
        return self.clock() - self.failed_at.get(server, -FORGIVEN_S) < FORGIVEN_S


class _No(Exception):
    """A server that is not to be used, and why."""


@dataclass
class Line:
    """An open connection, moved to another server when its own fails."""

    servers: Sequence[Chosen]
    standing: Standing
    visitor: Callable[[], Visitor | None]
    context: ssl.SSLContext | None
    connect_timeout: timedelta
    _stream: ByteStream | None = None
    _server: Chosen | None = None
    _since: float = 0.0

    async def __aenter__(self) -> Self:
        """Connected. Raises SinkError when no server answers."""
        await self._connect(self.standing.order(self.servers))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._hang_up()

    async def deliver(self, messages: Mapping[str, bytes], patience: timedelta | None) -> None:
        """Return when every message, by its chunk id, is confirmed; without `patience`, when it is sent.

        Raises SinkError once every server was tried.
        """
        await self._come_home()
        waiting = dict(messages)
        left = self.standing.order(self.servers)
        if self._server in left:  # once more over a new connection: the old one may only have been idle for too long
            left.insert(0, left.pop(left.index(self._server)))
        while True:
            if self._stream is None:
                left = await self._connect(left)
            server, stream = self._server, self._stream
            assert server is not None and stream is not None  # noqa: S101, PT018 - `_connect` raises otherwise
            try:
                await self._exchange(stream, waiting, patience)
            except (_No, Malformed, *_LOST) as error:
                await self._hang_up()
                if not isinstance(error, _LOST):
                    left = [one for one in left if one != server]
                if server not in left:
                    self.standing.failed(server)
                if not left:
                    raise SinkError("sinks.forward.broken_off", server=server, reason=_said(error)) from error
                continue
            self.standing.answered(server)
            return

    async def _exchange(self, stream: ByteStream, waiting: dict[str, bytes], patience: timedelta | None) -> None:
        """All messages, then their confirmations, which are struck off `waiting`."""
        limit = (patience or timedelta(minutes=1)).total_seconds()
        sent = False
        try:
            with anyio.fail_after(limit):
                for message in [*waiting.values()]:
                    await stream.send(message)
                sent = True
                framer = Framer()
                while waiting and patience is not None:
                    for answer in framer.feed(await stream.receive(_AT_ONCE)):
                        waiting.pop(acknowledged(answer), None)
                    framer.check()
        except TimeoutError as error:
            raise _No("no answer within" if sent else "it did not read for", f"{limit:g} s") from error

    async def _connect(self, order: list[Chosen]) -> list[Chosen]:
        """Connect to the first that answers; those that were not tried yet are returned."""
        reasons = []
        for at, server in enumerate(order):
            try:
                await self._open(server)
            except (_No, Malformed, TimeoutError, *_LOST) as error:
                self.standing.failed(server)
                reasons.append(f"{server}: {_said(error)}")
                continue
            return order[at + 1 :]
        raise SinkError("sinks.forward.unreachable", reason="; ".join(reasons))

    async def _open(self, server: Chosen) -> None:
        with anyio.fail_after(self.connect_timeout.total_seconds()):
            stream: ByteStream
            if self.context is None:
                stream = await anyio.connect_tcp(server.host, server.port)
            else:
                stream = await anyio.connect_tcp(
                    server.host,
                    server.port,
                    ssl_context=self.context,
                    tls_hostname=server.name or server.host,
                    tls_standard_compatible=False,
                )
            try:
                await self._shake_hands(stream)
            except BaseException:
                await _closed(stream)
                raise
        self._stream, self._server, self._since = stream, server, self.standing.clock()

    async def _shake_hands(self, stream: ByteStream) -> None:
        visitor = self.visitor()
        if visitor is None:
            return
        framer = Framer(PING_LIMIT)
        helo = await _one(stream, framer)
        await stream.send(visitor.ping(helo))
        try:
            pong = await _one(stream, framer)
        except _LOST as error:  # Fluent Bit says nothing to a wrong key
            raise _No("it closed the connection during the handshake: does it have the same shared_key?") from error
        if refused := visitor.refusal(pong):
            raise _No("it did not let us in:", refused)

    async def _come_home(self) -> None:
        """From a standby back to the others, when they may be well again."""
        on_standby = self._server is not None and self._server.standby
        if not on_standby or self.standing.clock() - self._since < FORGIVEN_S:
            return
        self._since = self.standing.clock()
        kept, self._stream = self._stream, None
        try:
            await self._connect([one for one in self.standing.order(self.servers) if not one.standby])
        except SinkError:
            self._stream = kept
        else:
            await _closed(kept)

    async def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        await _closed(stream)


async def _one(stream: ByteStream, framer: Framer) -> bytes:
    while True:
        if found := framer.feed(await stream.receive(_AT_ONCE)):
            return found[0]


async def _closed(stream: ByteStream | None) -> None:
    if stream is None:
        return
    with suppress(*_LOST), anyio.move_on_after(_CLOSING_S, shield=True):
        await stream.aclose()


def _said(error: BaseException) -> str:
    if isinstance(error, anyio.EndOfStream | anyio.BrokenResourceError):
        return "it closed the connection"
    if isinstance(error, TimeoutError) and not str(error):
        return "it did not answer in time"
    cause = error.__cause__ if isinstance(error, OSError) and not error.errno and error.__cause__ else error
    return " ".join(map(str, cause.args)) if isinstance(cause, _No) else str(cause) or type(cause).__name__
