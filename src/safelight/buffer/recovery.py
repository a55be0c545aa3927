"""What a queue holds, from its files alone: after a crash, and for those who look into it from outside."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..batch import Checkpoint
from ..errors import StoreCorrupt, StoreError
from . import chunk, ledger
from .chunk import Chunk
from .record import Reading, Record

Trouble = Callable[[StoreError], None]


@dataclass(slots=True)
class Found:
    """A queue as it lies on the disk."""

    queue: str
    head: int
    claimed: int
    chunks: list[Chunk]
    checkpoint: dict[str, str] = field(default_factory=dict)
    torn: int = 0
    resumable: bool = False  # whether the last file may be appended to

    @property
    def next(self) -> int:
        """The number of the next frame. None that may have been sent is given again, even if its frame is lost."""
        last = self.chunks[-1].end if self.chunks else 1
        return max(last, self.head, self.claimed + 1)


def look(
    directory: Path,
    trouble: Trouble,
    damaged: Callable[[Chunk, int, int], None],
    seen: Callable[[Record], None] = lambda record: None,
) -> Found:
    """Read all of it, and change nothing. `damaged` is told of bytes of a file that are no record, `seen` of each frame
    that is still to be sent. Raises OSError."""
    entry = ledger.read(directory)
    chunks = chunk.listing(directory)
    head = entry.head if entry else chunks[0].first if chunks else 1
    found = Found(entry.queue if entry else "", head, entry.claimed if entry else head - 1, [])
    if entry is None and chunks:
        trouble(StoreCorrupt("buffer.ledger_lost", directory=directory))
    for one in chunks:
        try:
            reading = one.read()
        except FileNotFoundError:  # emptied and removed while we look into another's queue
            continue
        if reading.broken or (reading.torn and one is not chunks[-1]):
            damaged(one, reading.end, reading.end + reading.broken + reading.torn)
        if one is chunks[-1]:
            reading = _whole(reading)
            found.torn = reading.torn
            found.resumable = bool(reading.records and reading.records[0].note.queue)
        found.chunks.append(one)
        one.size, one.end = reading.end, one.first
        for record in reading.records:
            _take(found, one, record, seen)
        for start, stop in reading.damaged:
            damaged(one, start, stop)
    for one, after in zip(found.chunks, found.chunks[1:], strict=False):
        one.end = after.first
    found.queue = found.queue or secrets.token_hex(8)
    return found


def _take(found: Found, one: Chunk, record: Record, seen: Callable[[Record], None]) -> None:
    note = record.note
    if note.queue:
        found.queue = found.queue or note.queue
        found.checkpoint = {}  # the first record of a file has all of them
        one.opening = record.end
    fold(found.checkpoint, note.checkpoint)
    if note.frame and note.number >= found.head:
        one.took(note)
        seen(record)
    one.end = max(one.end, note.number + 1)


def fold(checkpoint: dict[str, str], moved: Checkpoint) -> None:
    """Move positions on; None forgets one."""
    for key, position in moved.items():
        if position is None:
            checkpoint.pop(key, None)
        else:
            checkpoint[key] = position


def _whole(reading: Reading) -> Reading:
    """The last file without the frames of an append whose last one is missing: nobody was told that they are kept."""
    records = list(reading.records)
    highest = max((record.note.number for record in records), default=0)
    while records and records[-1].note.last > highest:
        records.pop()
    end = records[-1].end if records else 0
    damaged = [one for one in reading.damaged if one[1] <= end]
    return Reading(records, end, damaged, torn=reading.torn + reading.end - end)
