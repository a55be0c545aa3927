"""How far a set of events reaches: what a question needs to know to pass it by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..query.sql import Span

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Extent(msgspec.Struct, frozen=True):
    """Counts and bounds; the bounds mean nothing without events.

    Times are microseconds since 1970, as all times in this room: Python's datetime cannot hold every timestamp.
    """

    events: int = 0
    min_seq: int = 0
    max_seq: int = 0
    min_us: int = 0
    max_us: int = 0
    memory: int = 0  # bytes of the events as Arrow

    def touches(self, span: Span) -> bool:
        """Whether any of the events can lie in the span."""
        return bool(self.events) and not (
            (span.start is not None and self.max_us < to_us(span.start))
            or (span.end is not None and self.min_us >= to_us(span.end))
            or (span.after_seq is not None and self.max_seq <= span.after_seq)
            or (span.upto_seq is not None and self.min_seq > span.upto_seq)
        )


NOTHING: Final = Extent()


def extent_of(events: pa.Table | pa.RecordBatch) -> Extent:
    """Counts and bounds of stored events."""
    if not events.num_rows:
        return NOTHING
    min_seq, max_seq = _bounds(events.column("seq"))
    min_us, max_us = _bounds(events.column("timestamp").cast(pa.int64()))
    return Extent(events.num_rows, min_seq, max_seq, min_us, max_us, events.nbytes)


def _bounds(column: pa.Array | pa.ChunkedArray) -> tuple[int, int]:
    if len(column) == 1:  # most of the time of a commit of one event went into this
        return (column[0].as_py(),) * 2
    bounds = pc.min_max(column).as_py()
    return bounds["min"], bounds["max"]


def together(extents: Iterable[Extent]) -> Extent:
    """Counts and bounds of several sets of events."""
    full = [one for one in extents if one.events]
    if not full:
        return NOTHING
    return Extent(
        sum(one.events for one in full),
        min(one.min_seq for one in full),
        max(one.max_seq for one in full),
        min(one.min_us for one in full),
        max(one.max_us for one in full),
        sum(one.memory for one in full),
    )


def to_us(moment: datetime) -> int:
    """Microseconds since 1970. A time without a zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The time, or the nearest one that Python can hold."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if us > 0 else datetime.min.replace(tzinfo=UTC)
