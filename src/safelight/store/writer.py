"""The one process that writes: commits into the hot file, moves on to the next one, and knows what the store holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..batch import SCHEMA, Batch, Checkpoint
from ..errors import StoreError
from . import Commit, frame
from .catalog import Hot, Segment, Snapshot, hold_recent
from .chunks import number
from .commit import GroupCommit, Pending
from .files import StoreFile
from .hot import HotFile, State
from .recovery import Recovered
from .refusals import batch_refused


class Writer:
    """Thread-safe. `on_full` is called when a hot file waits to be sealed."""

    def __init__(self, directory: Path, recovered: Recovered, on_full: Callable[[], None]) -> None:
        self._directory = directory
        self._on_full = on_full
        self._state: State = recovered.state
        self._hot: HotFile = recovered.hot
        self._held = Snapshot(recovered.frozen, recovered.segments)  # all but the file being written
        self._visible = threading.Lock()  # guards state, hot and held; never kept while the disk is waited for
        self._group = GroupCommit(self._write)
        self._closed = False

    def append(self, batch: Batch, checkpoint: Checkpoint | None, batch_id: str | None) -> Commit:
        """See `Store.append`."""
        if not len(batch) and not checkpoint and batch_id is None:
            with self._visible:
                return Commit(self._state.next_seq, self._state.next_seq - 1)
        packed = frame.pack(_one_batch(batch))
        if packed.payload.size > frame.MAX_PAYLOAD:
            raise StoreError("store.batch_too_large", limit=frame.MAX_PAYLOAD >> 20)
        pending = Pending(packed, frame.unpack(packed, SCHEMA), dict(checkpoint or {}), batch_id)
        return self._group.commit(pending)

    def _write(self, group: list[Pending]) -> None:
        """Make a group durable, then visible. Called by one thread at a time."""
        if self._closed:
            return
        commits, fresh = self._number(group)
        try:
            if fresh:
                self._hot.write([(note, pending.packed) for note, pending in fresh])
        except OSError as error:
            for pending in group:
                pending.failure = partial(batch_refused, error)
            return
        with self._visible:
            for note, pending in fresh:
                self._state.apply(note)
                if pending.batch is not None:
                    self._hot.chunks.add(number(pending.batch, note.first_seq))
        for pending, commit in zip(group, commits, strict=True):
            pending.commit = commit
        if self._hot.is_full(self._hot.chunks.events):
            self._move_on()

    def _number(self, group: list[Pending]) -> tuple[list[Commit], list[tuple[frame.Note, Pending]]]:
        """The commit of each, if all goes well, and the frames of those that were not stored before."""
        commits: list[Commit] = []
        fresh: list[tuple[frame.Note, Pending]] = []
        within: dict[str, tuple[int, int]] = {}  # ids of this very group
        next_seq = self._state.next_seq
        for pending in group:
            batch_id, packed = pending.batch_id, pending.packed
            known = batch_id and (self._state.batch_ids.get(batch_id) or within.get(batch_id))
            if not known:
                note = frame.Note(next_seq, packed.rows, dict(pending.checkpoint), batch_id, packed.columns)
                fresh.append((note, pending))
                next_seq += packed.rows
                known = (note.first_seq, next_seq - 1)
                if batch_id:
                    within[batch_id] = known
            commits.append(Commit(*known))
        return commits, fresh

    def _move_on(self) -> None:
        """Open the next hot file and leave this one to be sealed. Without room for that, writing goes on here."""
        try:
            following = HotFile.create(self._directory, self._hot.file.first + 1, self._state)
        except OSError:
            return
        full = self._hot
        frozen = Hot.of(full.file, full.chunks.view(), full.size)
        with self._visible:
            self._held = Snapshot(hold_recent([*self._held.hots, frozen]), self._held.segments)
            self._hot = following
        full.close()
        self._on_full()

    def finish_hot_file(self, *, force: bool) -> None:
        """Move on to the next hot file when it is time, or in any case if this one holds events."""
        with self._group.exclusive():
            if self._closed:
                return
            events = self._hot.chunks.events
            if self._hot.is_full(events) or (force and events):
                self._move_on()

    def snapshot(self) -> Snapshot:
        """What the store holds now."""
        with self._visible:
            current = Hot.of(self._hot.file, self._hot.chunks.view(), self._hot.size)
            return Snapshot((*self._held.hots, current), self._held.segments)

    def waiting(self) -> tuple[Hot, ...]:
        """The full hot files, oldest first."""
        with self._visible:
            return self._held.hots

    def replace(self, segment: Segment) -> None:
        """Let a new segment take the place of what it supersedes."""
        with self._visible:
            self._held = self._held.with_segment(segment)

    def drop(self, gone: Iterable[StoreFile]) -> None:
        """Forget files that are about to be deleted or set aside."""
        with self._visible:
            self._held = self._held.without(gone)

    def checkpoint(self) -> Mapping[str, str]:
        """Where sources continue."""
        with self._visible:
            return dict(self._state.checkpoint)

    def last_seq(self) -> int:
        """The number of the newest event."""
        with self._visible:
            return self._state.next_seq - 1

    def close(self) -> None:
        """Refuse further commits and release the file."""
        with self._group.exclusive():
            if not self._closed:
                self._closed = True
                self._hot.close()


def _one_batch(batch: Batch) -> pa.RecordBatch:
    """The events as one record batch in which every event has a time, without which no span would ever find it."""
    table = batch.table if batch.table.schema.equals(SCHEMA) else batch.table.select(SCHEMA.names).cast(SCHEMA)
    if table["timestamp"].null_count:
        index = SCHEMA.get_field_index("timestamp")
        now = pa.scalar(datetime.now(UTC), SCHEMA.field(index).type)
        table = table.set_column(index, SCHEMA.field(index), pc.coalesce(table["timestamp"], table["received_at"], now))
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=SCHEMA)
