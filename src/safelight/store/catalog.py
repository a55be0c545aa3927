"""Which sealed segments there are and what a question may skip: read from the footers, never from the events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreCorrupt
from ..query.sql import Span
from .chunks import STORED, View
from .files import StoreFile

FOOTER_KEY: Final = b"safelight"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Footer(msgspec.Struct, frozen=True):
    """What we write into a segment's footer, beside what Parquet keeps there."""

    events: int
    min_seq: int
    max_seq: int
    min_us: int  # microseconds since 1970, as all times here: Python's datetime cannot hold every timestamp
    max_us: int
    memory: int  # bytes of the events as Arrow: how much of the segment may be taken into memory at once


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed segment. Its file never changes."""

    file: StoreFile
    footer: Footer
    bytes: int
    current: bool  # whether it has exactly today's columns

    @property
    def path(self) -> str:
        return str(self.file.path)


def read_segment(file: StoreFile) -> Segment:
    """What the footer of a segment says.

    Raises StoreCorrupt when there is no readable footer, FileNotFoundError when the file is gone.
    """
    try:
        size = file.path.stat().st_size
        metadata = pq.read_metadata(file.path)
        footer = msgspec.json.decode((metadata.metadata or {})[FOOTER_KEY], type=Footer)
        current = metadata.schema.to_arrow_schema().equals(STORED)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, KeyError, msgspec.DecodeError) as error:
        raise StoreCorrupt("store.damaged", file=file.path.name, reason=_short(error)) from error
    return Segment(file, footer, size, current)


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot file and the events it held at a moment. `view` is None when they are to be read from the file."""

    file: StoreFile
    view: View | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the store held at a moment: an immutable list that readers keep while the store moves on."""

    hots: tuple[Hot, ...] = ()
    segments: tuple[Segment, ...] = ()  # in the order of `seq`

    def with_segment(self, segment: Segment) -> Snapshot:
        """The same with a new segment in place of all that it supersedes."""
        kept = [other for other in self.segments if not segment.file.supersedes(other.file)]
        return Snapshot(
            tuple(hot for hot in self.hots if not segment.file.supersedes(hot.file)),
            tuple(sorted([*kept, segment], key=lambda one: one.file)),
        )

    def without(self, gone: Iterable[StoreFile]) -> Snapshot:
        """The same without some segments."""
        gone = set(gone)
        return Snapshot(self.hots, tuple(segment for segment in self.segments if segment.file not in gone))


def touches(span: Span, min_us: int, max_us: int, min_seq: int, max_seq: int) -> bool:
    """Whether events within these bounds can lie in the span."""
    return not (
        (span.start is not None and max_us < to_us(span.start))
        or (span.end is not None and min_us >= to_us(span.end))
        or (span.after_seq is not None and max_seq <= span.after_seq)
        or (span.upto_seq is not None and min_seq > span.upto_seq)
    )


def segment_touches(span: Span, segment: Segment) -> bool:
    """Whether a segment can hold events of the span."""
    footer = segment.footer
    return touches(span, footer.min_us, footer.max_us, footer.min_seq, footer.max_seq)


def view_touches(span: Span, view: View) -> bool:
    """Whether a hot file's events can lie in the span."""
    return bool(view.chunks) and touches(span, view.min_us, view.max_us, view.first_seq, view.last_seq)


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


def _short(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:200] or type(error).__name__


def directory_bytes(directory: Path) -> int:
    """What the store takes on the disk, damaged and superseded files included."""
    total = 0
    for path in directory.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
