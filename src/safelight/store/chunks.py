"""The events of a hot file in memory: few chunks, however small the batches they came in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ..batch import SCHEMA
from .extent import NOTHING, Extent, extent_of, together

STORED: Final = pa.schema([pa.field("seq", pa.int64()), *SCHEMA])
"""The columns of a stored event: those of a batch after the number that the commit gave it."""

FAN_IN: Final = 16
BIG: Final = 1024
"""Rows. 16 neighbours of one level become one of the next, until it is big: a row is copied twice or three times, and
100,000 batches of one row are 100 chunks to a query (a DuckDB scan costs 30 µs a chunk)."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Neighbouring events with ascending `seq`."""

    rows: pa.RecordBatch
    first_seq: int
    last_seq: int


def number(batch: pa.RecordBatch, first_seq: int) -> Chunk:
    """The events with their numbers."""
    last_seq = first_seq + batch.num_rows - 1
    seq = pa.arange(first_seq, last_seq + 1)
    return Chunk(pa.RecordBatch.from_arrays([seq, *batch.columns], schema=STORED), first_seq, last_seq)


def in_todays_columns(table: pa.Table) -> pa.Table:
    """Stored events as this version has them, whatever version wrote them."""
    if table.schema.equals(STORED):
        return table
    return pa.Table.from_arrays(
        [
            table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(len(table), field.type)
            for field in STORED
        ],
        schema=STORED,
    )


@dataclass(frozen=True, slots=True)
class View:
    """What a hot file held at a moment. Immutable; cheap to make, since it shares the chunks."""

    chunks: tuple[Chunk, ...] = ()
    extent: Extent = NOTHING

    def table(self, after_seq: int | None = None, upto_seq: int | None = None) -> pa.Table:
        """The events with `after_seq < seq <= upto_seq`; whole chunks are shared, not copied."""
        low = 0 if after_seq is None else bisect_right(self.chunks, after_seq, key=lambda chunk: chunk.last_seq)
        high = len(self.chunks)
        if upto_seq is not None:
            high = bisect_right(self.chunks, upto_seq, key=lambda chunk: chunk.first_seq)
        return pa.Table.from_batches(
            [_cut(chunk, after_seq, upto_seq) for chunk in self.chunks[low:high]], schema=STORED
        )


def _cut(chunk: Chunk, after_seq: int | None, upto_seq: int | None) -> pa.RecordBatch:
    """The rows of a chunk inside the numbers: it may have gaps, where frames were lost to damage."""
    start, stop = 0, chunk.rows.num_rows
    inside = (after_seq is None or after_seq < chunk.first_seq) and (upto_seq is None or chunk.last_seq <= upto_seq)
    if not inside:
        numbers = chunk.rows.column(0).to_pylist()
        start = 0 if after_seq is None else bisect_right(numbers, after_seq)
        stop = stop if upto_seq is None else bisect_left(numbers, upto_seq + 1)
    return chunk.rows.slice(start, stop - start)


class Chunks:
    """Grows by batches. Not thread-safe: its owner holds a lock; a `View` may be read from any thread."""

    def __init__(self) -> None:
        self._big: list[Chunk] = []
        self._levels: list[list[Chunk]] = []  # level k+1 holds older events than level k
        self._extent = NOTHING
        self._view: View | None = View()

    @property
    def events(self) -> int:
        """How many there are."""
        return self._extent.events

    def add(self, chunk: Chunk) -> None:
        """Append events that follow those already here."""
        if not chunk.rows.num_rows:
            return
        self._view = None
        self._extent = together((self._extent, extent_of(chunk.rows)))
        if chunk.rows.num_rows >= BIG:
            self._flush()
            self._big.append(chunk)
            return
        self._push(0, chunk)

    def _push(self, level: int, chunk: Chunk) -> None:
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(chunk)
        if len(self._levels[level]) == FAN_IN:
            joined = _join(self._levels[level])
            self._levels[level] = []
            if joined.rows.num_rows >= BIG:
                # Events wait in higher levels only if they are older: they go first.
                self._flush()
                self._big.append(joined)
            else:
                self._push(level + 1, joined)

    def _small(self) -> list[Chunk]:
        return [chunk for level in reversed(self._levels) for chunk in level]

    def _flush(self) -> None:
        if small := self._small():
            self._big.append(_join(small))
            self._levels = []

    def view(self) -> View:
        """What is here now."""
        if self._view is None:
            self._view = View((*self._big, *self._small()), self._extent)
        return self._view


def _join(chunks: list[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    rows = pa.concat_batches([chunk.rows for chunk in chunks])
    return Chunk(rows, chunks[0].first_seq, chunks[-1].last_seq)
