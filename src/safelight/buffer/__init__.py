"""A durable queue on disk, between collecting and sending. Knows bytes, not events.

What is appended is on the disk when `append` returns; it leaves when `done` says so. `queue` is the whole of it;
`chunk` is a file of it, `record` what such a file consists of, `ledger` how far it is emptied, `recovery` what all that
comes to after a crash, or for one who looks into the queue of another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import SafelightError


@dataclass(frozen=True, slots=True)
class Frame:
    """What is put in and comes out again, whole. `number` and `at` are the queue's to give."""

    payload: bytes
    count: int
    """How many events that is."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """What is to be known before unpacking it."""
    weight: int = 0
    """Bytes that it takes once unpacked."""
    number: int = 0
    """Counts from 1, without end: no two frames of a queue ever have the same."""
    at: float = 0.0
    """When it was put in, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The oldest frames, to be sent together. The same frames under the same id come again until they are done, after a
    restart too: the other side can know that it has them."""

    id: str
    last: int
    frames: tuple[Frame, ...]

    @property
    def count(self) -> int:
        """Events in it."""
        return sum(frame.count for frame in self.frames)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a queue holds."""

    frames: int
    events: int
    weight: int
    """Bytes of what waits, unpacked."""
    bytes: int
    """On the disk, with what is done and not yet given back: files are given back whole."""
    capacity: int
    """Bytes at most."""
    oldest_at: datetime | None
    """Since when what is to be sent next has been waiting."""
    set_aside: int
    """Damaged pieces that were laid aside, as `*.damaged`."""
    torn: int
    """Bytes cut off at the last opening: an append that a crash kept from ending, and that nobody was told of."""


class BufferFull(SafelightError):
    """No room; nothing of it was kept."""


class FrameTooLarge(BufferFull):
    """More than the whole queue may hold: it will never fit."""
