"""Who waits for new events is told at once."""

from __future__ import annotations

import asyncio

import anyio


class Commits:
    """The number of the last committed event, and a way to wait for the next. Lives on the event loop."""

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self._changed = anyio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def announce(self, last_seq: int) -> None:
        """Events up to `last_seq` are durable."""
        if last_seq > self.last_seq:
            self.last_seq = last_seq
            self._wake()

    def stir(self) -> None:
        """Let those who wait for `news` look, although nothing was committed. From any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake)

    async def after(self, seq: int) -> int:
        """Wait until there are events after `seq`; return the last one's number."""
        while self.last_seq <= seq:
            await self._changed.wait()
        return self.last_seq

    async def news(self, seq: int) -> None:
        """Wait until there are events after `seq`, or until somebody stirs."""
        self._loop = asyncio.get_running_loop()
        if self.last_seq <= seq:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
