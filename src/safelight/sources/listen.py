"""Where a source listens, and who may speak to it there."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema, model_validator

from ..errors import ConfigError
from ..paths import is_loopback
from ..processors import WrongSetting
from . import Source

BACKLOG: Final = 256
"""Connections that may wait to be accepted."""
HIGHEST_PORT: Final = 65_535


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(value: Any) -> Any:
    if isinstance(value, Address):
        return value
    host, _, port = str(value).rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) <= HIGHEST_PORT):
        raise WrongSetting("sources.not_an_address", given=value)
    return Address(host.strip("[]"), int(port))


Listen = Annotated[Address, BeforeValidator(_address), PlainSerializer(str), WithJsonSchema({"type": "string"})]
"""`127.0.0.1:24224`; port 0 picks a free one."""


class Tls(BaseModel):
    """`tls = { cert = "server.crt", key = "server.key" }`: what a TLS server shows."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    cert: Path
    """The certificate and its chain, PEM."""
    key: Path
    """Its key, PEM."""
    client_ca: Path | None = None
    """Only clients with a certificate of this authority are let in."""

    def context(self) -> ssl.SSLContext:
        """For a server. Raises ConfigError when a file cannot be used."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.cert, self.key)
            if self.client_ca is not None:
                context.load_verify_locations(self.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except (OSError, ssl.SSLError) as error:
            raise ConfigError("sources.bad_certificate", cert=self.cert, key=self.key, reason=str(error)) from error
        return context


@contextmanager
def bind(address: Address) -> Iterator[socket.socket]:
    """A listening TCP socket. Raises ConfigError when it cannot be had, such as for a port that is taken."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # Named, so that asyncio turns off Nagle: else an answer in two writes waits 40 ms for the ACK of the first.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError("sources.cannot_listen", address=address, reason=reason) from error
        yield listener


class Listener(Source):
    """A source that others send to. Beyond this machine it listens only with something that keeps strangers out."""

    listen: Listen | None = None
    """Where it listens, such as `127.0.0.1:24224`."""
    tls: Tls | None = None
    """Certificate and key: then it speaks only TLS."""
    allow_from: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that may send, such as `10.0.0.0/8`; by default any that reach it."""

    guards: ClassVar[Sequence[str]] = ()
    """Fields that keep strangers out, besides `allow_from`: one of them is needed to listen beyond this machine."""

    @model_validator(mode="after")
    def _no_strangers(self) -> Self:
        guarded = self.allow_from or any(getattr(self, name) for name in self.guards)
        if self.listen is not None and not is_loopback(self.listen.host) and not guarded:
            needed = ", ".join((*self.guards, "allow_from"))
            raise WrongSetting("sources.open_to_all", host=self.listen.host, needed=needed)
        return self

    def admits(self, host: str) -> bool:
        """Whether a peer at this address may send."""
        if not self.allow_from:
            return True
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.allow_from)

    @property
    def name(self) -> str:
        """Its type and where it listens."""
        return f"{self.kind()} {self.listen}" if self.listen else self.kind()
