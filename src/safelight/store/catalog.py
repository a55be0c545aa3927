"""What the store holds at a moment: hot files and sealed segments, with all that a question needs to pass them by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreCorrupt
from .chunks import STORED, View
from .extent import Extent
from .files import StoreFile

FOOTER_KEY: Final = b"safelight"
WORDS_KEY: Final = b"safelight.words"
"""Where a segment's extent, and the words of each of its row groups, stand in its Parquet footer."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A part of a segment: its rows from `first` to `last`, and the words of their free text, if known."""

    first: int
    last: int
    words: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed segment. Its file never changes."""

    file: StoreFile
    extent: Extent
    bytes: int
    current: bool  # whether it has exactly today's columns
    row_groups: tuple[RowGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot file and the events it held at a moment. `view` is None when they are to be read from the file."""

    file: StoreFile
    extent: Extent
    bytes: int
    view: View | None

    @classmethod
    def of(cls, file: StoreFile, view: View, size: int) -> Hot:
        """With its events in memory."""
        return cls(file, view.extent, size, view)


def read_segment(file: StoreFile) -> Segment:
    """What the footer of a segment says.

    Raises StoreCorrupt when there is no readable footer, FileNotFoundError when the file is gone.
    """
    try:
        size = file.path.stat().st_size
        metadata = pq.read_metadata(file.path)
        footer = metadata.metadata or {}
        extent = msgspec.json.decode(footer[FOOTER_KEY], type=Extent)
        words = msgspec.json.decode(footer.get(WORDS_KEY, b"[]"), type=list[str | None])
        current = metadata.schema.to_arrow_schema().equals(STORED)
    except FileNotFoundError:
        raise
    except (OSError, pa.ArrowException, KeyError, msgspec.DecodeError) as error:
        raise StoreCorrupt("store.damaged", file=file.path.name, reason=short(error)) from error
    return Segment(file, extent, size, current, _row_groups(metadata, words))


def _row_groups(metadata: pq.FileMetaData, words: list[str | None]) -> tuple[RowGroup, ...]:
    groups = []
    first = 0
    for index in range(metadata.num_row_groups):
        rows = metadata.row_group(index).num_rows
        groups.append(RowGroup(first, first + rows - 1, words[index] if index < len(words) else None))
        first += rows
    return tuple(groups)


HELD_IN_MEMORY: Final = 2
"""Full hot files whose events stay in memory while they wait to be sealed; others are read from disk if asked for.
With the one being written, that bounds the memory of the hot part to three times `hot.MAX_BYTES`."""


def hold_recent(hots: Sequence[Hot]) -> tuple[Hot, ...]:
    """Full hot files, only the most recent of them with their events in memory."""
    excess = max(0, len(hots) - HELD_IN_MEMORY)
    return (*(Hot(hot.file, hot.extent, hot.bytes, None) for hot in hots[:excess]), *hots[excess:])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An immutable list that readers keep while the store moves on."""

    hots: tuple[Hot, ...] = ()
    segments: tuple[Segment, ...] = ()  # in the order of `seq`

    @property
    def bytes(self) -> int:
        """What its files take on the disk."""
        return sum(one.bytes for one in self.segments) + sum(hot.bytes for hot in self.hots)

    def paths(self) -> list[Path]:
        """Its files."""
        return [one.file.path for one in self.segments] + [hot.file.path for hot in self.hots]

    def with_segment(self, segment: Segment) -> Snapshot:
        """The same with a new segment in place of all that it supersedes."""
        kept = [other for other in self.segments if not segment.file.supersedes(other.file)]
        return Snapshot(
            tuple(hot for hot in self.hots if not segment.file.supersedes(hot.file)),
            tuple(sorted([*kept, segment], key=lambda one: one.file)),
        )

    def without(self, gone: Iterable[StoreFile]) -> Snapshot:
        """The same without some files."""
        gone = set(gone)
        return Snapshot(
            tuple(hot for hot in self.hots if hot.file not in gone),
            tuple(segment for segment in self.segments if segment.file not in gone),
        )


def short(error: BaseException) -> str:
    """The first line of what a library says."""
    return str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
