"""The embedded store: an append-only hot file of Arrow batches, sealed Parquet segments, DuckDB to query both.

Under the data directory: `lock` (who owns it) and `events/` (see `files`). The parts:

    commit, writer, hot, frame, chunks      the way in: durable, then visible
    recovery, files, lock                   what holds after a crash
    upkeep, seal, merge, retention          what happens behind the writer's back
    catalog, engine, scan, questions        the way out
    follower                                the way out in another process
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from ..batch import Batch, Checkpoint
from ..errors import StoreCorrupt, StoreError
from ..query.sql import EVERYTHING, Span, Sql
from . import Commit, Cursor, Figures, files, scan
from .catalog import Segment, Snapshot
from .engine import Engine
from .extent import from_us, together
from .follower import Follower
from .lock import Lock
from .questions import Questions, damaged
from .recovery import recover
from .retention import Removed
from .upkeep import Upkeep
from .writer import Writer


class SegmentStore:
    """See `Store`. `problems` lists what was found damaged since it was opened."""

    def __init__(self, data: Path, *, on_problem: Callable[[StoreCorrupt], None] | None = None) -> None:
        self.data = data
        self.directory = data / "events"
        self.problems: list[StoreCorrupt] = []
        self.torn_bytes = 0
        """Bytes of a commit that a crash cut short, found and cut off at opening. It was never acknowledged."""
        self.lock: Lock | None = None
        self._on_problem = on_problem
        self._owns_lock = False
        self._writer: Writer | None = None
        self._upkeep: Upkeep | None = None
        self._follower: Follower | None = None
        self._quarantining = threading.Lock()
        self._engine = Engine(spill=None)
        self._questions = Questions(self._engine, self._snapshot, self._quarantine)

    @classmethod
    def open(
        cls,
        data: Path,
        *,
        read_only: bool = False,
        on_problem: Callable[[StoreCorrupt], None] | None = None,
        lock: Lock | None = None,
    ) -> Self:
        """Open a data directory, which is made if need be.

        `read_only` takes no lock and reads beside a writer. A `lock` that was taken before is used and stays the
        caller's. `on_problem` hears of every damaged file, from any thread.

        Raises StoreLocked when another process owns it, StoreError when it cannot be used.
        """
        store = cls(data, on_problem=on_problem)
        if read_only:
            store._follower = Follower(store.directory, store._report)
            return store
        store.lock = lock or Lock.take(data)
        store._owns_lock = lock is None
        try:
            store.directory.mkdir(parents=True, exist_ok=True)
            files.sync_directory(data)
            recovered = recover(store.directory, store._report)
            store.torn_bytes = recovered.torn_bytes
            store._writer = Writer(store.directory, recovered, store._wake)
            store._upkeep = Upkeep(store.directory, store._writer, store._quarantine, store._report)
            store._upkeep.start()
        except OSError as error:
            store.close()
            raise StoreError("store.unusable", directory=data, reason=error.strerror or str(error)) from error
        return store

    def append(self, batch: Batch, checkpoint: Checkpoint | None = None, batch_id: str | None = None) -> Commit:
        """See `Store.append`."""
        return self._writing().append(batch, checkpoint, batch_id)

    def checkpoint(self, prefix: str = "") -> Mapping[str, str]:
        """See `Store.checkpoint`."""
        everything = self._reading().checkpoint()
        return {key: position for key, position in everything.items() if key.startswith(prefix)}

    def newest(
        self,
        where: Sql,
        span: Span = EVERYTHING,
        *,
        limit: int,
        before: Cursor | None = None,
        containing: Sequence[str] = (),
        timeout_s: float = 30,
    ) -> pa.Table:
        """See `Store.newest`."""
        return self._questions.ask(
            lambda session, snapshot: scan.newest(session, snapshot, where, span, limit, before, containing), timeout_s
        )

    def oldest(self, where: Sql, span: Span = EVERYTHING, *, limit: int, timeout_s: float = 30) -> pa.Table:
        """See `Store.oldest`."""
        return self._questions.ask(
            lambda session, snapshot: scan.oldest(session, snapshot, where, span, limit), timeout_s
        )

    def run(
        self, sql: Sql, span: Span = EVERYTHING, *, containing: Sequence[str] = (), timeout_s: float = 30
    ) -> pa.Table:
        """See `Store.run`."""
        return self._questions.ask(
            lambda session, snapshot: scan.run(session, snapshot, sql, span, containing), timeout_s
        )

    def figures(self) -> Figures:
        """See `Store.figures`."""
        reading = self._reading()
        snapshot = reading.snapshot()
        extent = together([*(one.extent for one in snapshot.segments), *(hot.extent for hot in snapshot.hots)])
        return Figures(
            events=extent.events,
            bytes=snapshot.bytes,
            segments=len(snapshot.segments),
            oldest=from_us(extent.min_us) if extent.events else None,
            newest=from_us(extent.max_us) if extent.events else None,
            last_seq=reading.last_seq(),
        )

    def seal(self) -> None:
        """Seal everything that is not sealed yet, and do whatever else is due. Raises StoreError."""
        self._work(finish_hot_file=True)

    def maintain(self) -> None:
        """Do now what the background thread would do next. Raises StoreError."""
        self._work(finish_hot_file=False)

    def retain(self, max_age: timedelta | None = None, max_bytes: int | None = None) -> Removed:
        """Delete the segments whose newest event is older than `max_age`, then the oldest until the rest fits."""
        self._writing()
        if self._upkeep is None:
            raise StoreError("store.closed")
        return self._upkeep.retain(max_age, max_bytes)

    def close(self) -> None:
        """See `Store.close`."""
        if self._upkeep is not None:
            self._upkeep.stop()
        if self._writer is not None:
            self._writer.close()
        self._engine.close()
        if self.lock is not None and self._owns_lock:
            self.lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _wake(self) -> None:
        if self._upkeep is not None:
            self._upkeep.wake()

    def _work(self, *, finish_hot_file: bool) -> None:
        self._writing()
        if self._upkeep is None:
            raise StoreError("store.closed")
        try:
            self._upkeep.work(finish_hot_file=finish_hot_file)
        except OSError as error:
            raise StoreError("store.write_failed", reason=error.strerror or str(error)) from error

    def _writing(self) -> Writer:
        if self._writer is None:
            raise StoreError("store.read_only")
        return self._writer

    def _reading(self) -> Writer | Follower:
        reading = self._writer or self._follower
        if reading is None:
            raise StoreError("store.closed")
        return reading

    def _snapshot(self) -> Snapshot:
        return self._reading().snapshot()

    def _report(self, problem: StoreCorrupt) -> None:
        self.problems.append(problem)
        if self._on_problem is not None:
            self._on_problem(problem)

    def _quarantine(self, segments: Sequence[Segment]) -> bool:
        """Set aside the damaged ones of some segments; whether there were any."""
        with self._quarantining:
            found = damaged(segments)
            for segment, reason in found:
                if self._writer is not None:
                    self._writer.drop([segment.file])
                    files.set_aside(segment.file.path)
                elif self._follower is not None:
                    self._follower.ignore([segment.file])
                self._report(StoreCorrupt("store.damaged", file=segment.file.path.name, reason=reason))
            return bool(found)
