"""A source that others send to, read as the collector reads it: what it hands on is understood, and durable at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import msgspec

from safelight.batch import Batch
from safelight.errors import SafelightError
from safelight.pipeline import chain

PATIENCE_S = 60.0


class Listening:
    """A listening source. `events` are those that are durable, flat, in their order."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.events: list[dict[str, Any]] = []
        self.batches: list[Batch] = []
        self.turned_away: Counter[str] = Counter()
        self.troubles: dict[str, str] = {}
        self.well: set[str] = set()
        self.connected = 0
        self.bytes = 0
        self.open = anyio.Event()
        self.open.set()
        self._process = chain((), source.service, source.timezone or "UTC")
        self._changed = anyio.Event()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.source.bound.port)

    def reading(self, what: int) -> None:
        self.connected = what
        self._stir()

    def waiting(self, why: SafelightError) -> None: ...

    def trouble(self, what: str, error: SafelightError) -> None:
        self.troubles[what] = error.render("zh-CN") and error.render()
        self._stir()

    def recovered(self, what: str) -> None:
        self.well.add(what)

    def took(self, size: int) -> None:
        self.bytes += size
        self._stir()

    def refused(self, count: int, why: str) -> None:
        self.turned_away[why] += count
        self._stir()

    def progress(self, files: Any) -> None: ...

    def hold(self) -> None:
        """From now on nothing becomes durable, until `open` is set again."""
        self.open = anyio.Event()

    async def until(self, holds: Any) -> None:
        """Return when it holds, tried whenever something happened."""
        with anyio.fail_after(PATIENCE_S):
            while not holds():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def got(self, count: int) -> list[dict[str, Any]]:
        """The events, as soon as there are so many."""
        await self.until(lambda: len(self.events) >= count)
        return self.events

    async def run(self) -> None:
        async with aclosing(self.source.arrivals({}, self)) as arrivals:
            async for arrival in arrivals:
                await self.open.wait()
                understood = self._process(arrival.batch)
                self.batches.append(understood)
                self.events += [flat(row) for row in understood.table.to_pylist()]
                self._stir()

    def _stir(self) -> None:
        self._changed.set()


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is empty; its attributes as they are."""
    event = {name: value for name, value in row.items() if value is not None}
    return event | {"attributes": msgspec.json.decode(row["attributes"]) if row["attributes"] else {}}


@asynccontextmanager
async def listening(source: Any) -> AsyncIterator[Listening]:
    """The source, collected from meanwhile."""
    listener = Listening(source)
    task = asyncio.create_task(listener.run())
    try:
        while source.bound is None and not task.done():
            await anyio.lowlevel.checkpoint()
        if task.done():
            await task
        yield listener
    finally:
        task.cancel()
        await asyncio.wait([task])
