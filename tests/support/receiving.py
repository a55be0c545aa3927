"""A source that others send to, with a store that is only a list, and a client that speaks to its routes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import anyio
import httpx
from starlette.applications import Starlette

from safelight.batch import Batch
from safelight.pipeline import chain


class Told:
    """What a source tells of itself."""

    def __init__(self) -> None:
        self.bytes = 0
        self.turned_away: Counter[str] = Counter()
        self.begun = anyio.Event()
        self.news = anyio.Event()

    def reading(self, what: int) -> None:
        """It is ready."""
        self.begun.set()

    def waiting(self, why: object) -> None:
        """Not needed here."""

    def trouble(self, what: str, error: object) -> None:
        """Not needed here."""

    def recovered(self, what: str) -> None:
        """Not needed here."""

    def progress(self, files: object) -> None:
        """Not needed here."""

    def took(self, size: int) -> None:
        """So much came in."""
        self.bytes += size
        self.news.set()

    def refused(self, count: int, why: str) -> None:
        """So much was turned away."""
        self.turned_away[why] += count
        self.news.set()


class Receiving:
    """The source, what it was given, and how to send to it."""

    def __init__(self, source) -> None:
        self.source = source
        self.told = Told()
        self.batches: list[Batch] = []
        self.open = anyio.Event()  # nothing becomes durable before
        self.open.set()
        web = Starlette(routes=source.mounted())
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://test", timeout=30)

    @property
    def raw(self) -> list[bytes]:
        """The lines as they were handed on, in their order."""
        return [line for batch in self.batches for line in lines(batch)]

    @property
    def rows(self) -> list[dict]:
        """What the steps of every source made of them; attributes as objects."""
        return [row for batch in self.batches for row in understood(batch)]

    async def collect(self) -> None:
        """As the server does it."""
        async with aclosing(self.source.arrivals({}, self.told)) as arrivals:
            async for arrival in arrivals:
                await self.open.wait()
                self.batches.append(arrival.batch)

    async def post(self, path: str, content: object = b"", type_: str | None = None, **headers: str) -> httpx.Response:
        """An answer, whatever it says."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if type_ is not None:
            named["content-type"] = type_
        return await self.client.post(path, content=content, headers=named)


def lines(batch: Batch) -> list[bytes]:
    """The raw lines of a batch, as bytes."""
    return batch["raw"].combine_chunks().view("binary").to_pylist()


def understood(batch: Batch) -> list[dict]:
    """The events of a batch of raw lines, without what is empty."""
    rows = chain([])(batch).table.to_pylist()
    for row in rows:
        row["attributes"] = json.loads(row["attributes"] or "{}")
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@asynccontextmanager
async def receiving(source) -> AsyncIterator[Receiving]:
    """A source that collects until the end of the block."""
    made = Receiving(source)
    async with made.client, anyio.create_task_group() as tasks:
        tasks.start_soon(made.collect)
        with anyio.fail_after(30):
            await made.told.begun.wait()
        yield made
        tasks.cancel_scope.cancel()
