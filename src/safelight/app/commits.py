"""Who waits for new events is told at once."""

from __future__ import annotations

import anyio


class Commits:
    """The number of the last committed event, and a way to wait for the next. Lives on the event loop."""

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self._changed = anyio.Event()

    def announce(self, last_seq: int) -> None:
        """Events up to `last_seq` are durable."""
        if last_seq > self.last_seq:
            self.last_seq = last_seq
            self._changed.set()
            self._changed = anyio.Event()

    async def after(self, seq: int) -> int:
        """Wait until there are events after `seq`; return the last one's number."""
        while self.last_seq <= seq:
            await self._changed.wait()
        return self.last_seq
