"""One HTTP request and its answer: bounded in time and size, to a checked address, directly or through the proxy of its
channel.

Nothing is taken from the environment: a proxy is one that the channel names.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Final

import httpx

from ..channels import Channel
from .guard import Guarded, Proxied

TIMEOUT: Final = httpx.Timeout(connect=5, read=10, write=10, pool=5)
READ_MAX: Final = 64 * 1024
"""Bytes of an answer that are read."""
UNSENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""After these the peer has seen nothing of the request."""
_NO_KEPT: Final = httpx.Limits(max_keepalive_connections=0)


@cache
def authorities() -> ssl.SSLContext:
    """One for all channels: loading the authorities takes 22 ms and 2 MB."""
    return httpx.create_ssl_context(trust_env=False)


def client(channel: Channel) -> httpx.AsyncClient:
    """For one channel. A fresh connection for every request: a kept one that the peer has closed would leave the
    message in doubt."""
    known = channel.known_hosts
    guarded: httpx.AsyncBaseTransport
    if channel.proxy is None:
        direct = httpx.AsyncHTTPTransport(verify=authorities(), limits=_NO_KEPT, trust_env=False)
        guarded = Guarded(direct, allow_private=channel.allow_private, known_hosts=known)
    else:
        address = httpx.URL(channel.proxy.get_secret_value())
        proxy = httpx.Proxy(address, ssl_context=authorities() if address.scheme == "https" else None)
        through = httpx.AsyncHTTPTransport(verify=authorities(), limits=_NO_KEPT, trust_env=False, proxy=proxy)
        guarded = Proxied(through, allow_private=channel.allow_private, known_hosts=known)
    return httpx.AsyncClient(transport=guarded, timeout=TIMEOUT, follow_redirects=False, trust_env=False)


async def exchange(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The answer, of its body at most 64 KiB, undecoded: a bomb stays packed. Its text is read as UTF-8."""
    request.headers["Accept-Encoding"] = "identity"
    request.headers["User-Agent"] = "Safelight"
    request.extensions["timeout"] = TIMEOUT.as_dict()
    response = await client.send(request, stream=True)
    try:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= READ_MAX:
                break
    finally:
        await response.aclose()
    # No content type: the encodings that it may name unpack bombs too (`charset=zlib`).
    kept = {name: response.headers[name] for name in ("retry-after", "date") if name in response.headers}
    return httpx.Response(response.status_code, headers=kept, content=body[:READ_MAX])
