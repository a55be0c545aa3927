"""The UDP heartbeat of Fluentd's `heartbeat_type udp`: any datagram is answered by one zero byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from ..errors import InputError
from .listen import Address, Listener

PULSE = b"\0"


class _Heart(asyncio.DatagramProtocol):
    def __init__(self, source: Listener) -> None:
        self._source = source
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and self._source.admits(addr[0]):
            self._transport.sendto(PULSE, addr)


@asynccontextmanager
async def heartbeat(source: Listener, address: Address | None) -> AsyncGenerator[None, None]:
    """Heartbeats are answered meanwhile; none without an address. Raises InputError."""
    if address is None:
        yield
        return
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Heart(source), local_addr=(address.host, address.port)
        )
    except OSError as error:
        raise InputError("sources.cannot_listen", address=address, reason=error.strerror or error) from error
    try:
        yield
    finally:
        transport.close()
