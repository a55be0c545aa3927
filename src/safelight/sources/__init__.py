"""Where events come from. A source reads, and says with each batch how far it has read; it keeps no position itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..batch import Batch, Checkpoint
from ..errors import InputError, SafelightError
from ..plugin import Plugin
from ..processors.parse import Timezone


@dataclass(frozen=True, slots=True)
class Arrival:
    """Raw events, one line or record each in the column `raw`, and what may be forgotten once they are durable."""

    batch: Batch
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is read."""

    path: str
    size: int
    """Bytes that it has."""
    offset: int
    """Bytes of it that were handed on."""
    lag_s: float
    """How long what is not handed on yet has been waiting; 0 when nothing is."""
    cut: int = 0
    """Lines that were over the limit."""

    @property
    def behind(self) -> int:
        """Bytes that are still to be read."""
        return max(0, self.size - self.offset)


class Report(Protocol):
    """Whom a source tells how it is doing. May be called from any thread."""

    def reading(self, what: int) -> None:
        """It reads, from this many files, connections or the like; 0 while it waits for the first."""
        ...

    def waiting(self, why: SafelightError) -> None:
        """There is nothing here to read, which is no error: it looks again from time to time."""
        ...

    def trouble(self, what: str, error: SafelightError) -> None:
        """It cannot read `what`; it goes on with the rest and tries again."""
        ...

    def recovered(self, what: str) -> None:
        """It reads `what` again, of which it told trouble before."""
        ...

    def took(self, size: int) -> None:
        """So many more bytes came in, as they were on the wire or in the file."""
        ...

    def refused(self, count: int, why: str) -> None:
        """It turned away so many records, or a request; `why` is a word for counting, such as `too_large`."""
        ...

    def progress(self, files: Sequence[Progress]) -> None:
        """How far its files are read."""
        ...


class Source(Plugin):
    """Fields every source has. They become columns of what it reads."""

    service: str | None = None
    """What is read: also picks the profile in `services` (grammar of its lines, default rules, advice)."""
    instance: str | None = None
    """Which one of several."""
    tag: str | None = None
    """For routing."""
    timezone: Timezone | None = None
    """IANA name for times that carry no zone; the host's by default."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call it: its paths, its address."""

    @abstractmethod
    def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """What arrives, until it is closed. `resume` holds the committed checkpoint; asking for the next arrival
        means that the one before is durable."""


def unreadable(report: Report, path: str, reason: str) -> None:
    """Tell of a file that cannot be read, in the operating system's words."""
    report.trouble(path, InputError("tail.unreadable", path=path, reason=reason))
