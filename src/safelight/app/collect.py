"""One source, read for as long as the server runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from ..batch import Process
from ..errors import SafelightError, StoreError
from ..event import Name
from ..locales import text
from ..meter import Meter
from ..sources import Arrival, Progress, Source
from ..store import Store
from .alive import described, wait_s
from .intake import Intake
from .journal import Journal


@dataclass
class Collector:
    """Reads a source, commits what it gives, and knows how it is doing. It is the source's Report."""

    source: Source
    process: Process
    store: Store
    intake: Intake
    journal: Journal
    language: str
    events: int = 0
    last_event_at: datetime | None = None
    failure: str | None = None
    bytes: Meter = field(default_factory=Meter)
    turned_away: Counter[str] = field(default_factory=Counter)
    files: tuple[Progress, ...] = ()
    _reading: int = 0
    _waiting: str = ""  # why it does not read, when that is no error
    _refused: bool = False  # by the store, not by the source
    _troubles: dict[str, str] = field(default_factory=dict)

    def reading(self, what: int) -> None:
        """From the source: it reads from this many files."""
        self._reading, self._waiting = what, ""
        if not self._refused:
            self.failure = None

    def waiting(self, why: SafelightError) -> None:
        """From the source: there is nothing to read yet."""
        self.reading(0)
        self._waiting = why.render(self.language)

    def recovered(self, what: str) -> None:
        """From the source: it can read this again."""
        self._troubles.pop(what, None)

    def trouble(self, what: str, error: SafelightError) -> None:
        """From the source: it cannot read this."""
        said = error.render(self.language)
        if self._troubles.get(what) != said:
            self._troubles[what] = said
            self.journal.note(Name.SOURCE_FAILED, said, "ERROR", source=what, error_message=said)

    def took(self, size: int) -> None:
        """From the source: so many bytes came in."""
        self.bytes.add(size)

    def refused(self, count: int, why: str) -> None:
        """From the source: it turned away this."""
        self.turned_away[why] += count

    def progress(self, files: Sequence[Progress]) -> None:
        """From the source: how far its files are read."""
        self.files = tuple(files)

    async def run(self) -> None:
        """Read until cancelled. A source that falls over is started again, from what is durable."""
        attempt = 0
        while True:
            try:
                async with aclosing(self.source.arrivals(self.store.checkpoint(), self)) as arrivals:
                    async for arrival in arrivals:
                        await self._commit(arrival)
                        attempt = 0
            except Exception as error:  # noqa: BLE001 - one source must not stop the others, whatever is wrong with it
                fault = described(error, self.language)
                said = fault["error_message"]
                self.failure = text("source.failed", self.language, source=self.source.name, reason=said)
                self.journal.note(Name.SOURCE_FAILED, self.failure, "ERROR", source=self.source.name, **fault)
            await anyio.sleep(wait_s(attempt))
            attempt += 1

    async def _commit(self, arrival: Arrival) -> None:
        """Until it is durable: the source waits, its position stays, nothing is lost."""
        attempt = 0
        while True:
            try:
                await self.intake.take(arrival.batch, self.process, arrival.checkpoint)
            except StoreError as error:
                self.failure, self._refused = error.render(self.language), True
                if attempt == 0:
                    self.journal.note(Name.SOURCE_FAILED, self.failure, "CRITICAL", source=self.source.name)
                await anyio.sleep(wait_s(attempt))
                attempt += 1
                continue
            self._refused = False
            self.failure = None
            if len(arrival.batch):
                self.events += len(arrival.batch)
                self.last_event_at = datetime.now(UTC)
            return

    def status(self) -> dict[str, Any]:
        """As the page shows it."""
        detail = self.failure or " ".join(self._troubles.values()) or self._waiting
        failed = bool(self.failure) or (bool(self._troubles) and not self._reading)
        return {
            "type": self.source.kind(),
            "name": self.source.name,
            "state": "failed" if failed else "reading" if self._reading else "waiting",
            "detail": detail,
            "events": self.events,
            "last_event_at": self.last_event_at,
        }
