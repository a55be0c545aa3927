"""Where a channel may connect: public addresses, unless its `allow_private` says otherwise.

The check is made on the address that is then connected to, so a name that resolves differently a moment later (DNS
rebinding) gains nothing. Certificate and `Host` are still those of the name. Redirects are nobody's business here: the
client does not follow them.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import Final

import anyio
import httpx

from ..errors import DeliveryError

ADDRESSES_TRIED: Final = 3
"""Of a name with many."""

_CARRIERS: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""NAT64 (RFC 6052) and IPv4-compatible addresses (RFC 4291 §2.5.5.1): the last 32 bits are an IPv4 address."""
_LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215: where in it an IPv4 address lies is each network's own affair, so nothing in it counts as public."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Whether the address lies on the public internet, also when it carries an IPv4 address inside.

    Not public: private, loopback, link-local (169.254.169.254 and other clouds' metadata), shared (100.64.0.0/10, with
    Alibaba's metadata at 100.100.100.200), site-local, multicast, reserved and unspecified ones.
    """
    inner = _embedded(address)
    if inner is not None and not is_public(inner):
        return False
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _LOCAL_NAT64):
        return False
    return address.is_global and not address.is_multicast


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


class Guarded(httpx.AsyncBaseTransport):
    """Resolves, checks, and connects to exactly what was checked.

    Raises DeliveryError for a private address; httpx's own errors otherwise.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, *, allow_private: bool, known_hosts: Collection[str] = ()
    ) -> None:
        self._inner = inner
        self._allow_private = allow_private
        self._known_hosts = known_hosts

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request to one checked address."""
        addresses = await _addresses(request)
        self._check(request, addresses)
        for number, address in enumerate(addresses, 1):
            try:
                return await self._inner.handle_async_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent: the next address may do
                if number == len(addresses):
                    raise
        raise AssertionError

    async def aclose(self) -> None:
        """Close what it connects with."""
        await self._inner.aclose()

    def _check(self, request: httpx.Request, addresses: list[Address]) -> None:
        host = request.url.host
        proven = request.url.scheme == "https" and host in self._known_hosts
        if not (self._allow_private or proven):
            check(host, addresses)


class Proxied(Guarded):
    """The same where a proxy does the connecting. The proxy resolves the name again, so nothing can be pinned: a name
    that is private as this machine resolves it is refused, one that it cannot resolve is left to the proxy. Where the
    proxy itself stands, and what it lets pass, is its administrator's decision.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, by name."""
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            self._check(request, await _addresses(request))
        return await self._inner.handle_async_request(request)


def check(host: str, addresses: Iterable[Address]) -> None:
    """Raises DeliveryError unless all `addresses` of `host` are public."""
    if not all(map(is_public, addresses)):
        raise DeliveryError("channels.private_address", host=host)


async def resolved(host: str, port: int) -> list[Address]:
    """The first addresses of `host`, each once. Raises OSError, or UnicodeError for what is no name."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    unique = dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found)
    return list(unique)[:ADDRESSES_TRIED]


async def _addresses(request: httpx.Request) -> list[Address]:
    port = request.url.port or (443 if request.url.scheme == "https" else 80)
    timeout = request.extensions.get("timeout", {}).get("connect")
    try:
        with anyio.fail_after(timeout):
            return await resolved(request.url.host, port)
    except TimeoutError as error:
        raise httpx.ConnectTimeout("name not resolved in time", request=request) from error
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError("name not resolved", request=request) from error


def _pinned(request: httpx.Request, address: Address) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,  # `Host` among them
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.host},
    )
