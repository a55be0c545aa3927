"""A source that measures, read for as many arrivals as a test needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import msgspec

from safelight.errors import SafelightError
from safelight.sources import Source


class Report:
    """What a source said of itself, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []
        self._more: anyio.Event | None = None

    def reading(self, what: int) -> None:
        self._say(("reading", what))

    def waiting(self, why: SafelightError) -> None:
        self._say(("waiting", str(why)))

    def trouble(self, what: str, error: SafelightError) -> None:
        self._say((f"trouble {what}", str(error)))

    def recovered(self, what: str) -> None:
        self._say(("recovered", what))

    def _say(self, said: tuple[str, Any]) -> None:
        self.said.append(said)
        if self._more is not None:
            self._more.set()

    def of(self, kind: str) -> list[Any]:
        """What was said of this kind."""
        return [what for said, what in self.said if said.startswith(kind)]

    async def until(self, kind: str) -> Any:
        """The first thing of this kind."""
        while not self.of(kind):
            self._more = anyio.Event()
            await self._more.wait()
        return self.of(kind)[0]


class Readings:
    """Arrivals, one after the other, as the events of their lines."""

    def __init__(self, arrivals: Any) -> None:
        self._arrivals = arrivals

    async def next(self) -> list[dict[str, Any]]:
        """The events of the next arrival."""
        arrival = await anext(self._arrivals)
        assert arrival.checkpoint == {}
        return [msgspec.json.decode(line) for line in arrival.batch["raw"].to_pylist()]


@asynccontextmanager
async def measuring(source: Source, report: Report | None = None) -> AsyncIterator[Readings]:
    """Read a source for at most a minute."""
    with anyio.fail_after(60):
        async with aclosing(source.arrivals({}, report or Report())) as arrivals:
            yield Readings(arrivals)
