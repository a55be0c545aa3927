"""Small segments become one, in the background: fewer files to open, fuller row groups.

Segments are in classes by size, each eight times the one below. When eight of one class stand together (smaller ones
between them come along), they become one of the next class: an event is rewritten once or twice in its life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import disk
from . import files
from .catalog import Segment, read_segment
from .chunks import STORED, in_todays_columns
from .seal import in_order, rows_per_group, write_segment

TOGETHER: Final = 8
MAX_EVENTS: Final = 1 << 20
MAX_MEMORY: Final = 512 << 20
"""A merged segment holds at most this many events, and bytes of them as Arrow."""
_DAY_US: Final = timedelta(days=1) // timedelta(microseconds=1)
_STEP: Final = 16_384  # rows read at a time from each segment


def choose(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The segments, in the order of `seq`, that should become one; empty when all is well."""
    for size_class in sorted({_class(one) for one in segments}):
        for group in _groups(segments, size_class):
            if sum(_class(one) == size_class for one in group) >= TOGETHER:
                return group
    return ()


def _class(segment: Segment) -> int:
    return max(segment.extent.events.bit_length() - 1, 12) // 3  # 12: all below 8,192 events are alike


def _groups(segments: Sequence[Segment], size_class: int) -> Iterator[list[Segment]]:
    """Neighbours of at most this class that fit into one segment."""
    group: list[Segment] = []
    for one in segments:
        if _class(one) > size_class:
            yield group
            group = []
        elif group and not _fit(joined := [*group, one]):
            yield group
            group = [one]
        else:
            group = joined if group else [one]
            if sum(_class(each) == size_class for each in group) == TOGETHER:
                yield group
                group = []
    yield group


def _fit(group: Sequence[Segment]) -> bool:
    """Retention deletes whole segments: a merged one spans a day, or hardly more than its widest part."""
    widest = max(one.extent.max_us - one.extent.min_us for one in group)
    span = max(one.extent.max_us for one in group) - min(one.extent.min_us for one in group)
    return (
        sum(one.extent.events for one in group) <= MAX_EVENTS
        and sum(one.extent.memory for one in group) <= MAX_MEMORY
        and span <= max(_DAY_US, 2 * widest)
    )


def merge(directory: Path, group: Sequence[Segment], check: Callable[[], None]) -> Segment:
    """Write one segment that supersedes the group. `check` is called between row groups and may raise to give up.

    Raises OSError; pa.ArrowException or OSError when a segment is damaged.
    """
    first, last = group[0].file.first, group[-1].file.last
    rows = rows_per_group(sum(one.extent.events for one in group), sum(one.extent.memory for one in group))
    segment = files.segment_file(directory, first, last)

    def tables() -> Iterator[pa.Table]:
        for table in _regrouped(_in_order(group), rows):
            check()
            yield table

    disk.publish(segment.path, lambda aside: write_segment(aside, tables(), rows, with_words=True))
    return read_segment(segment)


def _regrouped(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of exactly `rows`, but for the last."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= rows:
            joined = pa.concat_tables(held)
            for start in range(0, len(joined) - rows + 1, rows):
                yield joined.slice(start, rows).combine_chunks()
            held = [joined.slice(len(joined) // rows * rows)]
    if rest := sum(map(len, held)):
        yield pa.concat_tables(held).slice(0, rest).combine_chunks()


class _Input:
    """A sorted segment, read step by step. Nothing unread is earlier than `bound_us`; None: all is read."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._steps: Iterator[pa.RecordBatch] | None = None
        self._table = STORED.empty_table()
        self.bound_us: int | None = segment.extent.min_us

    def read_more(self) -> None:
        if self._steps is None:
            file = pq.ParquetFile(self._segment.file.path, page_checksum_verification=True, pre_buffer=False)
            self._steps = file.iter_batches(_STEP)
        step = next(self._steps, None)
        if step is None:
            self.bound_us = None
            return
        self._table = pa.concat_tables([self._table, in_todays_columns(pa.Table.from_batches([step]))])
        self.bound_us = self._table["timestamp"].cast(pa.int64())[-1].as_py()

    def take_before(self, horizon_us: int | None) -> pa.Table:
        table, ready = self._table, len(self._table)
        if horizon_us is not None:
            ready = pc.sum(pc.less(table["timestamp"].cast(pa.int64()), horizon_us)).as_py() or 0
        self._table = table.slice(ready)
        return table.slice(0, ready)


def _in_order(group: Sequence[Segment]) -> Iterator[pa.Table]:
    """The events of sorted segments, sorted. In memory is only a step of each, and nothing of those that come later."""
    inputs = [_Input(one) for one in group]
    while True:
        horizon = min((one.bound_us for one in inputs if one.bound_us is not None), default=None)
        ready = [table for one in inputs if len(table := one.take_before(horizon))]
        if ready:
            yield in_order(pa.concat_tables(ready))
        if horizon is None:
            return
        for one in inputs:
            if one.bound_us == horizon:
                one.read_more()
