"""Take what devices and system services send as syslog, over UDP, TCP and TLS.

Syslog acknowledges nothing. Over TCP and TLS a sender waits while events cannot be stored, and what it had sent but was
not stored yet is lost when this process dies, at most some 4 MB a connection. Over UDP whatever comes while the queue
is full is dropped, and counted; what the kernel dropped before is in `netstat -su`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

import anyio
import anyio.lowlevel
from pydantic import Field, PrivateAttr, model_validator

from ..errors import InputError
from ..processors import WrongSetting
from ..processors.parse.line import LINE_LIMIT
from ..services import profile
from ..services.grammar import Grammar
from ..services.times import zone_of
from ..units import Size
from ..wire.forward.records import line, unkept
from ..wire.syslog import SEVERITIES, Framer, Message, beginning, parse
from . import Arrival, Report
from .inbox import Inbox
from .listen import Address, Listen, Listener
from .peers import STALL_S, Peer, listening
from .received import ROW_BYTES, received
from .received import size as weight
from .wrapped import combined, understood, worse

MESSAGE_LIMIT: Final = 64 * 1024
"""Bytes of a message; RFC 5424 §6.1 wants 2048 at least, rsyslog sends 8192."""
UDP_QUEUE: Final = 8 * 1024 * 1024
"""Bytes of datagrams that may wait to become durable, with what each takes in memory besides."""
RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""What the kernel is asked to hold for us; it gives what `net.core.rmem_max` allows."""
_TRIES: Final = 10
_TURN: Final = 1_000  # messages understood, 25 ms, before others have their turn

Datagram = tuple[bytes, str]


class Syslog(Listener):
    """Take syslog messages (RFC 5424 and 3164) over UDP, TCP and TLS. The usual port 514 needs root; senders can be
    told another, such as 1514, or 6514 for TLS. UDP acknowledges nothing and loses messages: use TCP where you can."""

    type: Literal["syslog"] = "syslog"
    listen: Listen = Address("127.0.0.1", 1514)
    """Where it listens, on the same port for UDP and TCP."""
    protocols: tuple[Literal["udp", "tcp"], ...] = Field(default=("udp", "tcp"), min_length=1)
    """Over what; with `tls` only TLS over TCP is spoken."""
    message_limit: Size = Field(default=MESSAGE_LIMIT, le=LINE_LIMIT)
    """What is beyond it of a longer message is cut off, and counted; at most 1MB."""

    example: ClassVar[dict[str, Any]] = {"listen": "127.0.0.1:1514", "timezone": "Europe/Berlin"}

    _bound: Address | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.tls is not None and "tcp" not in self.protocols:
            raise WrongSetting("sources.syslog_tls_over_udp")
        return self

    @property
    def bound(self) -> Address | None:
        """Where it listens at the moment, with the port that was found for port 0."""
        return self._bound

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """What is sent, as it comes. There is no position to keep."""
        inbox = Inbox()
        talk = _Talk(self, inbox, report)
        async with AsyncExitStack() as stack:
            address = await self._open(stack, talk, report)
            arrivals = await stack.enter_async_context(aclosing(inbox.arrivals()))
            report.reading(0)
            self._bound = address
            try:
                async for arrival in arrivals:
                    yield arrival
            finally:
                self._bound = None

    async def _open(self, stack: AsyncExitStack, talk: _Talk, report: Report) -> Address:
        """Both on the same port. One that was found free for TCP may be taken for UDP: then another is looked for."""
        address = self.listen
        for left in range(_TRIES if self.listen.port == 0 else 1, 0, -1):
            async with AsyncExitStack() as tried:
                if "tcp" in self.protocols:
                    address = await tried.enter_async_context(listening(self, talk.over_tcp, report))
                if "udp" in self.protocols and self.tls is None:
                    try:
                        address = await tried.enter_async_context(talk.over_udp(address))
                    except InputError:
                        if left > 1:
                            continue
                        raise
                await stack.enter_async_context(tried.pop_all())
                break
        return address


class _Talk:
    """Makes lines of messages, and leaves them in the inbox."""

    def __init__(self, source: Syslog, inbox: Inbox, report: Report) -> None:
        self._source = source
        self._inbox = inbox
        self._report = report
        self._grammar = profile(source.service).grammar

    async def over_tcp(self, peer: Peer) -> None:
        """One connection, in its order. Nothing more is read from it before what was read is durable."""
        framer = Framer(self._source.message_limit)
        try:
            while data := await peer.receive(STALL_S if framer.pending else None):
                cut = framer.cut
                self._report.took(len(data))
                await self._keep([(message, peer.host) for message in framer.feed(data)])
                peer.well()
                if framer.cut > cut:
                    self._report.refused(framer.cut - cut, "cut")
        except (TimeoutError, ssl.SSLError):
            await self._keep([(message, peer.host) for message in framer.rest()])
            raise
        await self._keep([(message, peer.host) for message in framer.rest()])

    @asynccontextmanager
    async def over_udp(self, address: Address) -> AsyncGenerator[Address, None]:
        """Datagrams are taken meanwhile. Raises InputError."""
        mailbox = _Mailbox(self._source, self._report)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: mailbox, local_addr=(address.host, address.port))
        except OSError as error:
            raise InputError("sources.cannot_listen", address=address, reason=error.strerror or error) from error
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        task = asyncio.create_task(self._empty(mailbox))
        try:
            yield Address(address.host, raw.getsockname()[1])
        finally:
            transport.close()
            task.cancel()
            await asyncio.wait([task])

    async def _empty(self, mailbox: _Mailbox) -> None:
        while True:
            await self._keep(await mailbox.take())

    async def _keep(self, messages: Sequence[Datagram]) -> None:
        """Wait until they are durable, however long it takes."""
        if not messages:
            return
        now = datetime.now(zone_of(self._source.timezone) or UTC)
        lines: list[bytes] = []
        for begin in range(0, len(messages), _TURN):
            lines += [self._line(message, host, now) for message, host in messages[begin : begin + _TURN]]
            await anyio.lowlevel.checkpoint()
        source = self._source
        constants = {"service": source.service, "instance": source.instance, "tag": source.tag}
        await self._inbox.deliver(received(lines, source.name, constants), weight(lines))

    def _line(self, message: bytes, peer: str, now: datetime) -> bytes:
        try:
            return line(record(parse(message, now), peer, self._grammar, named=self._source.service is not None))
        except (RecursionError, ValueError, TypeError) as error:
            return unkept(message.decode("utf-8", "replace"), error)


class _Mailbox(asyncio.DatagramProtocol):
    """Datagrams that wait, as many as there is room for."""

    def __init__(self, source: Syslog, report: Report) -> None:
        self._source = source
        self._report = report
        self._waiting: list[Datagram] = []
        self._bytes = 0
        self._news = anyio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._report.took(len(data))
        if not self._source.admits(addr[0]):
            self._report.refused(1, "address")
        elif not data.strip(b"\r\n\0 "):
            self._report.refused(1, "empty")
        elif self._bytes + len(data) + ROW_BYTES > UDP_QUEUE:
            self._report.refused(1, "queue_full")
        else:
            if len(data) > self._source.message_limit:
                self._report.refused(1, "cut")
                data = beginning(data, self._source.message_limit)
            self._waiting.append((data, addr[0]))
            self._bytes += len(data) + ROW_BYTES
            self._news.set()

    async def take(self) -> list[Datagram]:
        """All that wait, as soon as there are any."""
        await self._news.wait()
        taken, self._waiting, self._bytes = self._waiting, [], 0
        self._news = anyio.Event()
        return taken


def record(found: Message, peer: str, grammar: Grammar, *, named: bool) -> dict[str, Any]:
    """A message as a record. `named`: the source says which service this is, so the program's name is only a fact.

    The text is understood as a line of its own: JSON (also after `@cee:`), a level, a traceback. Its level counts when
    it is more serious than the severity, its time when the header has none.
    """
    facts = {
        "timestamp": found.time,
        "host": found.host or peer,
        "service": None if named else found.app,
        "program": found.app,
        "process_id": found.process,
        "message_id": found.message_id,
        "facility": found.facility,
        "severity_name": None if found.severity is None else SEVERITIES[found.severity],
        "structured_data": found.data or None,
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    said = understood(found.text.removeprefix("@cee:").lstrip(), grammar)
    if "timestamp" in facts and "parse_error" not in said:
        said = {name: value for name, value in said.items() if name != "timestamp"}
    level = worse(found.level, said.get("level"))
    return combined(facts, said) | ({"level": level} if level else {})
