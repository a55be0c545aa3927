"""Send on to Fluentd, Fluent Bit, or another Safelight, over the forward protocol.

A record is the event as `safelight query --format ndjson` prints it, but with its attributes beside the known fields,
where those who wrote the log line had put them: `{"timestamp": "...", "level": "INFO", "steps": 30}`.
An attribute with the name of a known field stays below `attributes`.

At least once: a batch whose acknowledgement got lost is sent again, with the same chunk ids and the same `id` in each
record.
"""

from __future__ import annotations

import base64
import socket
import ssl
import string
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import anyio.to_thread
import msgspec
import pyarrow as pa
from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SecretStr, model_validator

from ..batch import Batch
from ..errors import ConfigError
from ..event import FIELDS, Kind
from ..processors import WrongSetting
from ..rows import events
from ..units import Duration
from ..wire.forward.handshake import Visitor
from ..wire.forward.messages import Compression, packed, write
from ..wire.forward.time import CODE, EventTime
from . import Refusal, Settings, Sink
from .fluent import Chosen, Line, Standing

MESSAGE_BYTES: Final = 2 * 1024 * 1024
"""Of events in one message, before they are compressed: Fluent Bit's own chunks have as much, and its `Buffer_Max_Size`
of 6 MB refuses larger ones."""
OURS: Final = "safelight"
_PORT: Final = 24224
_NAMES: Final = frozenset(name for name, kind in FIELDS.items() if kind is Kind.TEXT)

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def _known_names(template: str) -> str:
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise WrongSetting("sinks.forward.bad_tag", given=template) from error
    if not template or names - _NAMES:
        raise WrongSetting("sinks.forward.bad_tag", given=template)
    return template


class Server(Settings):
    """One of `servers`: `"10.0.0.5:24224"`, or `{ address = "10.0.0.5:24224", standby = true }`."""

    address: str = Field(pattern=r"^\S+$")
    """Host and port; without a port 24224."""
    weight: int = Field(default=60, ge=1, le=1_000)
    """How often it is chosen, compared with the others."""
    standby: bool = False
    """Only when none of the others answers."""

    @property
    def place(self) -> tuple[str, int]:
        """Its host and its port."""
        host, found, port = self.address.rpartition(":")
        if not found or not port.isdigit():
            return self.address.strip("[]"), _PORT
        return host.strip("[]"), int(port)


def _server(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


class ClientTls(Settings):
    """`tls = { ca = "ca.crt" }`; `tls = {}` trusts the authorities that this machine trusts."""

    ca: Path | None = None
    """The authorities that prove the server, PEM, instead of this machine's."""
    verify: bool = True
    """Whether the server must prove who it is; without that anybody between can read and change everything."""
    server_name: str | None = None
    """The name in its certificate, when it is not the one in `servers`."""
    cert: Path | None = None
    """Our own certificate, PEM, when the server wants one."""
    key: Path | None = None
    """Its key, PEM."""

    def context(self) -> ssl.SSLContext:
        """For a client. Raises ConfigError when a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("sinks.forward.bad_certificate", ca=self.ca or self.cert, reason=str(error)) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Forward(Sink):
    """Send events to Fluentd, Fluent Bit or another Safelight over the forward protocol, compressed and confirmed."""

    type: Literal["forward"] = "forward"
    servers: tuple[Annotated[Server, BeforeValidator(_server)], ...] = Field(min_length=1, max_length=100)
    """Where to: `"host:24224"`, several of them with `weight` and `standby`. One is used at a time; when it fails the
    others are tried at once."""
    tls: ClientTls | None = None
    """With this, even `tls = {}`, only TLS is spoken."""
    shared_key: SecretStr | None = None
    """The server's, as env:NAME or file:PATH."""
    user: str = ""
    """Who we are, if the server asks for a user."""
    password: SecretStr | None = None
    """The user's password, as env:NAME or file:PATH."""
    hostname: str | None = None
    """What we call ourselves; by default this host's name."""
    tag: Annotated[str, AfterValidator(_known_names)] = "{tag}"
    """The tag, with names of text fields in braces, such as `comfyui.{instance}`. `{tag}` is the event's own, or
    `safelight.` and its service where it has none; another field that is empty becomes `none`."""
    compress: Compression = "gzip"
    """zstd needs Fluentd 1.19 or Fluent Bit 5 on the other side."""
    require_ack: bool = True
    """Whether the server must confirm each chunk. Without it what was on its way when either side dies is lost."""
    ack_timeout: Duration = timedelta(seconds=60)
    """How long to wait for the confirmation before the batch is sent again."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long a server may take to answer, with TLS and the handshake."""

    example: ClassVar[dict[str, Any]] = {
        "servers": ["logs-1.example.com:24224", {"address": "logs-2.example.com:24224", "standby": True}],
        "shared_key": "KEY",
        "tls": {"ca": "ca.crt"},
    }

    _standing: Standing = PrivateAttr(default_factory=Standing)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.user and (self.shared_key is None or self.password is None):
            raise WrongSetting("sinks.forward.user_alone")
        return self

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Delivery, None]:
        """A connection to one of the servers. Raises SinkError when none answers."""
        line = Line(self._targets(), self._standing, self.visitor, self._tls(), self.connect_timeout)
        async with line:
            yield Delivery(self, line)

    def visitor(self) -> Visitor | None:
        """Who shows the key to a server; nobody without one."""
        if self.shared_key is None:
            return None
        password = self.password.get_secret_value() if self.password else ""
        return Visitor(self.shared_key.get_secret_value(), self.user, password, self.hostname or socket.gethostname())

    def _targets(self) -> list[Chosen]:
        name = self.tls.server_name if self.tls else None
        return [Chosen(*server.place, name, server.weight, server.standby) for server in self.servers]

    def _tls(self) -> ssl.SSLContext | None:
        return self.tls.context() if self.tls else None


@dataclass(frozen=True)
class Delivery:
    """Sends batches over a line."""

    sink: Forward
    line: Line

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """Hand over a batch, and wait until it is confirmed. Raises SinkError. The protocol refuses no single event."""
        messages = await anyio.to_thread.run_sync(lambda: dict(self.messages(batch, batch_id)))
        await self.line.deliver(messages, self.sink.ack_timeout if self.sink.require_ack else None)
        return ()

    def messages(self, batch: Batch, batch_id: str) -> Iterator[tuple[str, bytes]]:
        """The messages of a batch, by their chunk ids: one a tag, several when they would be large."""
        by_tag: dict[str, list[list[Any]]] = defaultdict(list)
        for event, at in zip(events(batch.table), times(batch), strict=True):
            by_tag[tag_of(event, self.sink.tag)].append([at, record(event)])
        for tag, entries in by_tag.items():
            for number, (run, count) in enumerate(_runs(entries)):
                chunk = chunk_id(batch_id, tag, number)
                shown = chunk if self.sink.require_ack else None
                yield chunk, write(tag, run, count, self.sink.compress, shown)


def chunk_id(batch_id: str, tag: str, number: int) -> str:
    """128 bits in base64, as the specification wants it: the same when the batch is sent again."""
    digest = blake2b(f"{batch_id}\n{number}\n{tag}".encode("utf-8", "replace"), digest_size=16).digest()
    return base64.b64encode(digest).decode()


def times(batch: Batch) -> list[msgspec.msgpack.Ext]:
    """When each event was, as EventTime; when it came, where it says nothing else."""
    stamps = batch["timestamp"].cast(pa.int64()).to_pylist()
    arrived = batch["received_at"].cast(pa.int64()).to_pylist()
    return [
        msgspec.msgpack.Ext(CODE, EventTime.of_us(stamp if stamp is not None else came or 0).pack())
        for stamp, came in zip(stamps, arrived, strict=True)
    ]


def tag_of(event: dict[str, Any], template: str) -> str:
    """The tag of an event."""
    own = event.get("tag") or (f"{OURS}.{event['service']}" if event.get("service") else OURS)
    if template == "{tag}":
        return str(own)
    return template.format_map({name: event.get(name) or "none" for name in _NAMES} | {"tag": own})


def record(event: dict[str, Any]) -> dict[str, Any]:
    """An event as a record: attributes beside the known fields, but not in place of one."""
    if "attributes" not in event:
        return event
    attributes = _decode(event.pop("attributes"))
    kept = {name: attributes.pop(name) for name in [*attributes] if name in FIELDS}
    return {**attributes, **event, "attributes": kept} if kept else {**event, **attributes}


def _runs(entries: list[list[Any]]) -> Iterator[tuple[bytes, int]]:
    """Entries as packed runs of about MESSAGE_BYTES."""
    parts: list[bytes] = []
    size = 0
    for entry in entries:
        part = packed(iter((entry,)))
        if parts and size + len(part) > MESSAGE_BYTES:
            yield b"".join(parts), len(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part)
    yield b"".join(parts), len(parts)
