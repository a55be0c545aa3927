"""One source, read for as long as the process runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import anyio
import pyarrow.compute as pc

from ..batch import Batch, Process
from ..errors import SafelightError, StoreError
from ..event import Name
from ..locales import text
from ..meter import Meter, Tally
from ..pipeline import Step
from ..sources import Arrival, Progress, Source
from . import Destination
from .alive import described, wait_s
from .journal import Journal

SHOWN_FILES: Final = 100
"""Of a source's files, those that are furthest behind."""
MOST_TROUBLES: Final = 100
"""Files or senders that are in trouble at once; for more of them the oldest are forgotten."""
AHEAD_S: Final = 60.0
"""An event whose time lies further in the future shows that a clock is wrong."""


@dataclass
class Collector:
    """Reads a source, makes durable what it gives, and knows how it is doing. It is the source's Report."""

    source: Source
    process: Process
    destination: Destination
    journal: Journal
    language: str
    steps: Sequence[Step] = ()
    events: Meter = field(default_factory=Meter)
    bytes: Meter = field(default_factory=Meter)
    turned_away: Tally = field(default_factory=Tally)
    seen: Tally = field(default_factory=Tally)
    """Events, how many of them were not understood, and lines that were cut."""
    files: tuple[Progress, ...] = ()
    last_event_at: datetime | None = None
    ahead_s: float = 0.0
    """How far in the future the newest event of the last batch was; 0 when it was not."""
    failure: str | None = None
    looked: bool = False
    """Whether the source has said yet what it found."""
    _reading: int = 0
    _waiting: str = ""  # why it does not read, when that is no error
    _refused: bool = False  # by the store, not by the source
    _troubles: dict[str, str] = field(default_factory=dict)
    _flagged: int = 0  # of the batch in hand

    def reading(self, what: int) -> None:
        """From the source: it reads from this many files."""
        self._reading, self._waiting, self.looked = what, "", True
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
            if len(self._troubles) > MOST_TROUBLES:
                self._troubles.pop(next(iter(self._troubles)))
            self.journal.note(Name.SOURCE_FAILED, said, "ERROR", source=what, error_message=said)

    def took(self, size: int) -> None:
        """From the source: so many bytes came in."""
        self.bytes.add(size)

    def refused(self, count: int, why: str) -> None:
        """From the source: it turned away this."""
        self.turned_away.add(why, count)

    def progress(self, files: Sequence[Progress]) -> None:
        """From the source: how far its files are read."""
        before = {file.path: file.cut for file in self.files}
        self.seen.add("cut", sum(max(0, file.cut - before.get(file.path, 0)) for file in files))
        self.files = tuple(files)

    async def run(self) -> None:
        """Read until cancelled. A source that falls over is started again, from what is durable."""
        attempt = 0
        while True:
            try:
                async with aclosing(self.source.arrivals(self.destination.checkpoint(), self)) as arrivals:
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
        attempt, understood = 0, _once(self._understood)
        while True:
            try:
                await self.destination.take(arrival.batch, understood, arrival.checkpoint)
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
                self.events.add(len(arrival.batch))
                self.seen.add("events", len(arrival.batch))
                self.seen.add("not_understood", self._flagged)
                self.last_event_at = datetime.now(UTC)
            return

    def _understood(self, batch: Batch) -> Batch:
        """What its steps make of a batch. In a worker thread, one batch at a time."""
        events = self.process(batch)
        self._flagged = len(events) - events["parse_error"].null_count
        newest = pc.max(events["timestamp"]).as_py()
        ahead = (newest - datetime.now(UTC)).total_seconds() if newest is not None else 0.0
        self.ahead_s = ahead if ahead > AHEAD_S else 0.0
        return events

    @property
    def state(self) -> str:
        """`reading`, `waiting` or `failed`."""
        failed = bool(self.failure) or (bool(self._troubles) and not self._reading)
        return "failed" if failed else "reading" if self._reading else "waiting"

    def status(self) -> dict[str, Any]:
        """In short."""
        return {
            "type": self.source.kind(),
            "name": self.source.name,
            "state": self.state,
            "detail": self.failure or " ".join(self._troubles.values()) or self._waiting,
            "events": self.events.total,
            "last_event_at": self.last_event_at,
        }

    def figures(self) -> dict[str, Any]:
        """Everything, as the pipeline shows it."""
        behind = sorted(self.files, key=lambda file: (file.behind, file.lag_s, file.cut), reverse=True)
        return {
            **self.status(),
            "service": self.source.service,
            "rate": round(self.events.per_second(), 3),
            "bytes": self.bytes.total,
            "bytes_rate": round(self.bytes.per_second(), 1),
            "not_understood": self.seen.total["not_understood"],
            "refused": dict(self.turned_away.total),
            "lately": {**self.seen.lately(), "refused": self.turned_away.lately()},
            "troubles": dict(self._troubles),
            "ahead_s": round(self.ahead_s, 1),
            "looked": self.looked,
            "lag_s": round(max(file.lag_s for file in behind), 1) if behind else None,
            "behind_bytes": sum(file.behind for file in behind) if behind else None,
            "files": [
                {
                    "path": file.path,
                    "size": file.size,
                    "offset": file.offset,
                    "behind": file.behind,
                    "lag_s": round(file.lag_s, 1),
                    "cut": file.cut,
                }
                for file in behind[:SHOWN_FILES]
            ],
            "files_total": len(behind),
            "steps": [step.status() for step in self.steps],
        }


def _once(process: Process) -> Process:
    """The same for one batch, done once however often it is asked: steps may count what they see."""
    made: list[Batch] = []

    def remembered(batch: Batch) -> Batch:
        if not made:
            made.append(process(batch))
        return made[0]

    return remembered
