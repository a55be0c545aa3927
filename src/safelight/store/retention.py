"""How long events are kept: whole segments are deleted, which takes milliseconds and gives their bytes back at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .catalog import Segment, Snapshot
from .extent import from_us, to_us, together


@dataclass(frozen=True, slots=True)
class Removed:
    """What retention deleted."""

    segments: int
    events: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None


def overdue(snapshot: Snapshot, max_age: timedelta | None, max_bytes: int | None, now: datetime) -> list[Segment]:
    """The segments whose newest event is older than `max_age`, then the oldest ones until the rest fits.

    Events that are not sealed yet stay, whatever their age; so a store may be larger than `max_bytes` by a hot file.
    """
    by_age = sorted(snapshot.segments, key=lambda one: one.extent.max_us)
    limit_us = None if max_age is None else to_us(now - max_age)
    excess = 0 if max_bytes is None else snapshot.bytes - max_bytes
    gone: list[Segment] = []
    for one in by_age:
        too_old = limit_us is not None and one.extent.max_us < limit_us
        if not too_old and excess <= 0:
            break
        gone.append(one)
        excess -= one.bytes
    return gone


def summary(segments: Sequence[Segment]) -> Removed:
    """The sums over some segments."""
    extent = together(one.extent for one in segments)
    return Removed(
        segments=len(segments),
        events=extent.events,
        bytes=sum(one.bytes for one in segments),
        oldest=from_us(extent.min_us) if segments else None,
        newest=from_us(extent.max_us) if segments else None,
    )
