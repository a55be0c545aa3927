"""Take what Fluentd, Fluent Bit and everything that speaks their forward protocol sends.

A chunk is acknowledged when what was in it is durable, not before; a sender that asks for no acknowledgement
(`require_ack_response` in Fluentd and Fluent Bit) loses what was on its way when either side dies. A chunk that is sent
again gives events of the same ids.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, ClassVar, Final, Literal, Self

import anyio
import anyio.lowlevel
import anyio.to_thread
from pydantic import Field, PrivateAttr, SecretStr, model_validator

from ..batch import Batch, unchecked_text
from ..identifier import uuid7
from ..processors import WrongSetting
from ..services import profile
from ..services.grammar import Grammar
from ..units import Size
from ..wire.forward import entries, frames, records
from ..wire.forward.handshake import PING_LIMIT, Doorkeeper
from ..wire.forward.messages import Message, read
from . import Arrival, Report
from .heartbeat import heartbeat
from .in_hand import InHand, Share
from .inbox import Inbox
from .listen import Address, Listen, Listener
from .peers import HANDSHAKE_S, STALL_S, Peer, listening
from .received import ROW_BYTES
from .wrapped import names_time, unwrapped

PARCEL_BYTES: Final = 4 * 1024 * 1024
"""What is made durable at a time: a large chunk in several steps, small ones together."""
_THREADS: Final = 2  # of a source at the same time: what a message becomes takes many times its bytes
THREAD_BYTES: Final = 64 * 1024
"""A larger message is taken apart in a thread of its own; 64 KB take some 5 ms."""
_TURN: Final = 256  # messages of one sender before the others have theirs


class Forward(Listener):
    """Take events over the forward protocol of Fluentd and Fluent Bit, on TCP or TLS, usually port 24224. A chunk is
    acknowledged when its events are durable."""

    type: Literal["forward"] = "forward"
    listen: Listen = Address("127.0.0.1", 24224)
    """Where it listens; 24224 is the usual port."""
    shared_key: SecretStr | None = None
    """What both sides must know, as env:NAME or file:PATH; then every sender shows that it does."""
    users: dict[str, SecretStr] = Field(default={})
    """`{ name = "env:PASSWORD" }`: with these a sender must be one of them, too. Needs `shared_key`."""
    hostname: str | None = None
    """What we call ourselves to senders. Fluentd refuses one that is called like itself; by default this host's name
    with `safelight@` in front."""
    heartbeat: bool = False
    """Whether to answer the UDP heartbeats of Fluentd (`heartbeat_type udp`) on the same port."""
    message_limit: Size = frames.MESSAGE_LIMIT
    """A larger message is refused, and its connection closed."""
    decompressed_limit: Size = entries.DECOMPRESSED_LIMIT
    """The same for a message once it is decompressed."""

    guards: ClassVar[Sequence[str]] = ("shared_key",)
    example: ClassVar[dict[str, Any]] = {"listen": "127.0.0.1:24224", "shared_key": "KEY"}

    _bound: Address | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.users and self.shared_key is None:
            raise WrongSetting("forward.users_without_key")
        return self

    @property
    def bound(self) -> Address | None:
        """Where it listens at the moment, with the port that was found for port 0."""
        return self._bound

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """What is sent, as it comes. There is no position to keep: a sender keeps what was not acknowledged."""
        inbox, in_hand, threads = Inbox(), InHand(), anyio.CapacityLimiter(_THREADS)

        async def talk(peer: Peer) -> None:
            with in_hand.share() as share:
                await _Session(self, peer, inbox, report, threads).run(share)

        async with (
            listening(self, talk, report) as address,
            heartbeat(self, address if self.heartbeat else None),
            aclosing(inbox.arrivals()) as arrivals,
        ):
            self._bound = address
            report.reading(0)
            try:
                async for arrival in arrivals:
                    yield arrival
            finally:
                self._bound = None

    def doorkeeper(self) -> Doorkeeper | None:
        """Who asks a new connection for the key; nobody without one."""
        if self.shared_key is None:
            return None
        users = {name: password.get_secret_value() for name, password in self.users.items()}
        hostname = self.hostname or f"safelight@{socket.gethostname()}"
        return Doorkeeper(self.shared_key.get_secret_value(), users, hostname)


@dataclass
class Parcel:
    """Lines that are made durable together, and what is acknowledged then."""

    lines: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tags: list[str | None] = field(default_factory=list)
    size: int = 0

    def add(self, lines: list[bytes], ids: list[str], tag: str | None) -> None:
        """Lines of one message."""
        self.lines += lines
        self.ids += ids
        self.tags += [tag] * len(lines)
        self.size += sum(map(len, lines)) + ROW_BYTES * len(lines)

    def cut(self, count: int) -> None:
        """Keep only so many lines."""
        del self.lines[count:], self.ids[count:], self.tags[count:]

    def batch(self, source: Forward) -> Batch:
        """As the pipeline wants it."""
        columns = {
            "id": self.ids,
            "raw": unchecked_text(self.lines),
            "received_at": datetime.now(UTC),
            "source": source.name,
            "tag": self.tags,
            "service": source.service,
            "instance": source.instance,
        }
        return Batch.from_columns(len(self.lines), columns)


def lines(message: Message, grammar: Grammar, limit: int) -> Iterator[list[bytes]]:
    """The lines of a message, some thousands at a time. Raises Malformed."""
    for some in entries.entries(message, limit):
        yield [_line(entry, grammar) for entry in some]


def _line(entry: entries.Entry | entries.Broken, grammar: Grammar) -> bytes:
    if isinstance(entry, entries.Broken):
        return records.flagged(entry)
    try:
        record = unwrapped(records.readable(entry.record), grammar)
        time = records.timed(entry)
        if time is not None and not names_time(record):
            record = {**record, "timestamp": time}
        return records.line(record)
    except (RecursionError, ValueError, TypeError) as error:
        return records.unkept(entry.record, error)


def prefix(message: Message) -> str:
    """How the ids of its events begin: the same when a sender that wants it acknowledged sends the chunk again."""
    if message.chunk is None:
        return uuid7()
    seen = blake2b(repr((message.tag, message.chunk)).encode("utf-8", "replace"), digest_size=16)
    seen.update(message.run)
    return f"fwd-{seen.hexdigest()}"


class _Session:
    """One connection: handshake, then messages, in their order."""

    def __init__(
        self, source: Forward, peer: Peer, inbox: Inbox, report: Report, threads: anyio.CapacityLimiter
    ) -> None:
        self._source = source
        self._threads = threads
        self._peer = peer
        self._inbox = inbox
        self._report = report
        self._grammar = profile(source.service).grammar
        self._parcel = Parcel()
        self._acks: list[bytes] = []

    async def run(self, share: Share) -> None:
        """Until the peer leaves. `share` is told how much it has in hand. Raises Malformed, TimeoutError."""
        framer = frames.Framer(self._source.message_limit)
        keeper = self._source.doorkeeper()
        if keeper is not None:
            with anyio.fail_after(HANDSHAKE_S):
                early = await self._shake_hands(keeper)
            if early is None:
                return
            await self._take(framer.feed(early))
        while data := await self._more(framer.pending, share):
            self._report.took(len(data))
            messages = framer.feed(data)
            share.holds(framer.pending, sum(map(len, messages)))
            await self._take(messages)
            framer.check()
            share.holds(framer.pending)

    async def _more(self, pending: int, share: Share) -> bytes:
        await share.room()
        return await self._peer.receive(STALL_S if pending else None)

    async def _shake_hands(self, keeper: Doorkeeper) -> bytes | None:
        """What the peer sent after the handshake; None when it left. Raises Malformed when it was not let in."""
        await self._peer.send(keeper.helo())
        framer = frames.Framer(PING_LIMIT)
        found: list[bytes] = []
        while not found:
            data = await self._peer.receive()
            if not data:
                return None
            found = framer.feed(data)
        answer = keeper.answer(found[0])
        await self._peer.send(answer.pong)
        if answer.refused:
            raise frames.Malformed("forward.not_let_in", why="handshake", reason=answer.refused)
        return b"".join(found[1:]) + framer.rest()

    async def _take(self, messages: list[bytes]) -> None:
        """Make what they hold durable, and acknowledge it."""
        try:
            for number, data in enumerate(messages, 1):
                await self._one(read(data))
                if not number % _TURN:
                    await anyio.lowlevel.checkpoint()
        except frames.Malformed:
            await self._settle()  # what came before it
            raise
        await self._settle()

    async def _one(self, message: Message | None) -> None:
        if message is None:
            return
        if message.signal is not None:
            self._report.refused(1, message.signal)
        else:
            await self._collect(message)
        if message.chunk is not None:
            self._acks.append(message.ack())

    async def _collect(self, message: Message) -> None:
        parcels = lines(message, self._grammar, self._source.decompressed_limit)
        begins, tag, count = prefix(message), message.tag or self._source.tag, 0
        before = len(self._parcel.lines)
        while True:
            try:
                some = await self._next(parcels, len(message.run))
            except frames.Malformed:
                if message.chunk is not None:  # it will be sent again
                    self._parcel.cut(before)
                raise
            if some is None:
                return
            self._parcel.add(some, [f"{begins}-{number}" for number in range(count, count + len(some))], tag)
            count += len(some)
            if self._parcel.size >= PARCEL_BYTES:
                await self._settle()
                before = 0

    async def _next(self, parcels: Iterator[list[bytes]], size: int) -> list[bytes] | None:
        if size <= THREAD_BYTES:
            return next(parcels, None)
        return await anyio.to_thread.run_sync(next, parcels, None, limiter=self._threads)

    async def _settle(self) -> None:
        """Wait until the parcel is durable, however long it takes: meanwhile nothing more is read from the peer."""
        parcel, self._parcel = self._parcel, Parcel()
        if parcel.lines:
            await self._inbox.deliver(parcel.batch(self._source), parcel.size)
        self._peer.well()
        acks, self._acks = self._acks, []
        if acks:
            await self._peer.send(b"".join(acks))
