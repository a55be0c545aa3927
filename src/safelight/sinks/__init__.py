"""Where events go besides the store: nouns, named after the system. A sink says how a batch is handed over; `shipping`
feeds it from a queue on disk, tries again, and keeps what was refused."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from ..batch import Batch
from ..plugin import Plugin
from ..processors import Where
from ..units import Duration, Size

MB: Final = 1024 * 1024


class Settings(BaseModel):
    """A table inside a sink: refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Retry(Settings):
    """`retry = { max = 15, secondary = "dead-letter/" }`: what happens when the other side does not take a batch."""

    max: int = Field(default=15, ge=0, le=1_000)
    """Attempts after the first, with growing pauses, before the batch goes to the secondary place."""
    first: Duration = timedelta(seconds=1)
    """The first pause; each next one is twice as long, with jitter."""
    longest: Duration = timedelta(minutes=5)
    """No pause is longer."""
    secondary: Path | None = None
    """Directory for what was refused or given up, one JSON line an event; by default `dead-letter` in the sink's own
    directory."""


class Queue(Settings):
    """`buffer = { chunk = "8MB", chunks = 64, when_full = "block" }`: the queue on disk before a sink."""

    chunk: Size = 8 * MB
    """Size of a file of the queue."""
    chunks: int = Field(default=64, ge=1, le=100_000)
    """At most so many files; beyond that `when_full` says what happens."""
    when_full: Literal["block", "drop_oldest", "drop_newest", "spill_level"] = "block"
    """`block`: nothing more is taken until there is room; `drop_oldest`, `drop_newest`: what waits longest, or what
    comes, is dropped and counted; `spill_level`: only events of that level and above get in, in place of the oldest."""
    spill_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "ERROR"
    """Which events still get into a full queue with `when_full = "spill_level"`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An event that the other side will never take. `row` counts from 0 within the batch; None where the other side
    told only how many there are."""

    row: int | None
    reason: str


class Connection(Protocol):
    """An open way to the other side. Used by one task."""

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """Hand over a batch; when this returns the other side has taken all but the rows it refused.

        `batch_id` is the same when the same batch is sent again. Raises SinkError when the batch may be taken later,
        SinkRefused when never, SinkMisconfigured when nothing will be until somebody changes something.
        """
        ...


class Sink(Plugin):
    """Fields every sink has."""

    name: str = Field(default="", pattern=r"^(\w[\w.-]*)?$", max_length=64)  # as `{0,63}` it takes 5 MB
    """What people call it; by default its type. Two sinks need two names. Letters, digits, `_`, `.` and `-`: its queue
    lies in a directory of that name."""
    where: Where | None = None
    """Only events for which this query holds; by default all."""
    flush_interval: Duration = timedelta(seconds=3)
    """How long events are collected before they are sent together."""
    most_events: int = Field(default=5_000, ge=1, le=100_000)
    """Events in one batch at most."""
    retry: Retry = Retry()
    """What happens when the other side does not take a batch."""
    buffer: Queue = Queue()
    """The queue on disk before it."""

    @property
    def called(self) -> str:
        """Its name, or its type."""
        return self.name or self.kind()

    @abstractmethod
    def connect(self) -> AbstractAsyncContextManager[Connection]:
        """A connection, opened when the first batch is to be sent; opened again after an error."""
