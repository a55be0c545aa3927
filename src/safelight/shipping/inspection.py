"""What the directory of a sink holds, for the command line: while a server has it, and when none runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..buffer import Frame
from ..buffer.queue import Buffer
from ..buffer.record import Record
from ..buffer.recovery import look
from ..errors import StoreError
from . import letters
from .letters import Letters
from .stock import QUEUE, About, requeue

MOST_EVENTS: Final = 5_000
"""In a frame, when dead letters are put back and no configuration is known."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A sink's directory."""

    about: About
    events: int
    bytes: int
    oldest_at: datetime | None
    letters: tuple[Path, ...]
    """The files of its dead letters."""

    @property
    def dead_letters(self) -> int:
        """How many there are."""
        return sum(map(letters.count, self.letters))


def inspect(directory: Path) -> Seen:
    """Reads all of the queue, changes nothing. Raises StoreError."""
    first: list[float] = []

    def remember(record: Record) -> None:
        if not first:
            first.append(record.note.at)

    try:
        about = About.read(directory)
        chunks = look(directory / QUEUE, _silent, _unheard, remember).chunks
    except OSError as error:
        raise StoreError("buffer.unusable", directory=directory, reason=error.strerror or str(error)) from error
    events = sum(chunk.events for chunk in chunks)
    return Seen(
        about,
        events,
        sum(chunk.size for chunk in chunks) if events else 0,
        datetime.fromtimestamp(first[0], UTC) if first else None,
        tuple(letters.files(Path(about.dead_letters), about.name)),
    )


def queued(directory: Path) -> Iterator[Frame]:
    """What is to be sent, oldest first. Raises StoreError."""
    frames: list[Frame] = []
    try:
        look(directory / QUEUE, _silent, _unheard, lambda record: frames.append(record.frame()))
    except OSError as error:
        raise StoreError("buffer.unusable", directory=directory, reason=error.strerror or str(error)) from error
    yield from frames


def put_back(directory: Path) -> int:
    """All dead letters into the queue, to be sent at the next start; how many events. Raises StoreLocked while a
    process has the queue, StoreError, BufferFull, InputError."""
    about = About.read(directory)
    with Buffer.open(directory / QUEUE, chunk_bytes=about.chunk, chunks=about.chunks) as queue:
        try:
            return requeue(queue, Letters(Path(about.dead_letters), about.name), MOST_EVENTS)
        except OSError as error:
            raise StoreError("buffer.unusable", directory=directory, reason=error.strerror or str(error)) from error


def _silent(error: StoreError) -> None:
    """Whoever owns the queue is told."""


def _unheard(*damage: object) -> None:
    """Likewise."""
