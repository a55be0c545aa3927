"""ComfyUI's own socket, as a listener that nobody else is: it says at once when the queue changed, and brings the
console's lines.

The client id is ours alone. A second socket with the id of a user's page would take that page's messages away.
Without a socket (a proxy that lets none through) everything still works by asking, only later.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import uuid4

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from ...errors import ServiceError
from ...paths import is_loopback

MOST_KEPT: Final = 10_000
"""Console lines and node messages that wait to be read; older ones go."""
_LONGEST: Final = 16 * 1024 * 1024  # bytes: previews of unclaimed runs come along
_DECODED: Final = 256 * 1024  # characters: `progress_state` repeats every node each time, 200 bytes each
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 60.0


class Wakeups:
    """Listens for as long as it is open."""

    def __init__(
        self, url: str, headers: Mapping[str, str], subscribe: Callable[[str], Awaitable[bool]] | None
    ) -> None:
        """`subscribe` asks for console lines on behalf of a client id."""
        self.client_id: Final = f"safelight-{uuid4().hex}"
        self.connected = False
        self.breaks = 0
        """How often an open socket broke."""
        self.lines: deque[tuple[int, str]] = deque(maxlen=MOST_KEPT)
        """Pieces of the console, not always whole lines, with the time of their arrival in ms since 1970."""
        self.messages: deque[tuple[int, dict[str, Any]]] = deque(maxlen=MOST_KEPT)
        """`progress_state` messages of runs that no client claims, likewise."""
        self._url, self._headers = _address(url, self.client_id), dict(headers)
        self._auth(url)
        self._proxied = not is_loopback(urlsplit(url).hostname or "")
        self._subscribe = subscribe
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def wait(self, at_least_s: float, at_most_s: float) -> bool:
        """Sleep until something changed; whether it did."""
        await asyncio.sleep(min(at_least_s, at_most_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, at_most_s - at_least_s)):  # `wait_for` of 3.11 loses cancellations
                await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken

    def _auth(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers.setdefault("Authorization", "Basic " + b64encode(pair.encode()).decode())

    async def _listen(self) -> None:
        failures = 0
        while True:
            with suppress(OSError, WebSocketException, TimeoutError, ssl.SSLError, ValueError):
                async with connect(
                    self._url,
                    additional_headers=self._headers,
                    proxy=True if self._proxied else None,
                    compression=None,  # it would cost ComfyUI's event loop more than the loopback saves
                    max_size=_LONGEST,
                    ping_timeout=120,  # a node that holds the interpreter's lock delays the answer
                    open_timeout=20,
                    close_timeout=1,
                ) as socket:
                    self.connected, failures = True, 0
                    self._woken.set()
                    await self._ask_for_lines()
                    async for message in socket:
                        self._take(message)
            if self.connected:
                self.connected = False
                self.breaks += 1
                self._woken.set()
            await asyncio.sleep(min(_FIRST_RETRY_S * 2**failures, _LAST_RETRY_S))
            failures = min(failures + 1, 10)

    async def _ask_for_lines(self) -> None:
        if self._subscribe is not None:
            with suppress(ServiceError):
                await self._subscribe(self.client_id)

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes) or len(message) > _DECODED:
            return
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return
        data = said.get("data") if isinstance(said, dict) else None
        if not isinstance(data, dict):
            return
        at_ms = time.time_ns() // 1_000_000
        match said.get("type"):
            case "status":
                self._woken.set()
            case "progress_state":
                self.messages.append((at_ms, data))
            case "logs":
                entries = data.get("entries")
                for entry in entries if isinstance(entries, list) else ():
                    if isinstance(entry, dict) and isinstance(entry.get("m"), str):
                        self.lines.append((at_ms, entry["m"]))


def _address(url: str, client_id: str) -> str:
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((scheme, host, f"{parts.path.rstrip('/')}/ws", f"clientId={client_id}", ""))
