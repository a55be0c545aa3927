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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from .. import disk
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
from .refusals import upkeep_refused
from .retention import Removed
from .upkeep import Upkeep
from .writer import Writer


class SegmentStore:
    """See `Store`."""

    def __init__(self, data: Path, *, on_problem: Callable[[StoreError], None] | None = None) -> None:
        self.data = data
        self.directory = data / "events"
        self.torn_bytes = 0
        """Bytes of a commit that a crash cut short, found and cut off at opening. It was never acknowledged, so whoever
        sent it sends it again: worth showing, no problem."""
        self.lock: Lock | None = None
        self._on_problem = on_problem
        self._damaged: list[StoreError] = []
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
        on_problem: Callable[[StoreError], None] | None = None,
        lock: Lock | None = None,
    ) -> Self:
        """Open a data directory, which is made if need be.

        `read_only` takes no lock and reads beside a writer. A `lock` that was taken before is used and stays the
        caller's. `on_problem` hears, from any thread, of every damaged file (StoreCorrupt), and once when sealing and
        merging begin to fail (StoreFull, or StoreError).

        Raises StoreLocked when another process owns it, StoreError when it cannot be used.
        """
        store = cls(data, on_problem=on_problem)
        if read_only:
            store._follower = Follower(store.directory, store._report)
            return store
        store.lock = lock or Lock.take(data)
        store._owns_lock = lock is None
        try:
            store.directory.mkdir(mode=0o700, exist_ok=True)
            disk.sync_directory(data)
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
        with self._working() as upkeep:
            upkeep.work(finish_hot_file=True)

    def maintain(self) -> None:
        """Do now what the background thread would do next. Raises StoreError."""
        with self._working() as upkeep:
            upkeep.work(finish_hot_file=False)

    def retain(self, max_age: timedelta | None = None, max_bytes: int | None = None) -> Removed:
        """Delete the segments whose newest event is older than `max_age`, then the oldest until the rest fits.

        Raises StoreError.
        """
        with self._working() as upkeep:
            return upkeep.retain(max_age, max_bytes)

    @property
    def problems(self) -> list[StoreError]:
        """The files found damaged since it was opened, and what keeps it from sealing and merging now, if anything."""
        failing = self._upkeep.problem if self._upkeep is not None else None
        return [*self._damaged, failing] if failing is not None else list(self._damaged)

    def stop_answering(self) -> None:
        """Interrupt the questions under way and refuse later ones (StoreError). Writing goes on: a server that is told
        to stop waits for nobody's question, and still stores what it was given."""
        self._engine.close()

    def close(self) -> None:
        """See `Store.close`. Questions under way are interrupted."""
        self.stop_answering()
        if self._upkeep is not None:
            self._upkeep.stop()
        if self._writer is not None:
            self._writer.close()
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

    @contextmanager
    def _working(self) -> Iterator[Upkeep]:
        """What a caller has done now that otherwise the background does."""
        self._writing()
        if self._upkeep is None:
            raise StoreError("store.closed")
        try:
            yield self._upkeep
        except (OSError, pa.ArrowException) as error:
            raise upkeep_refused(error) from error

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

    def _report(self, problem: StoreError) -> None:
        if isinstance(problem, StoreCorrupt):
            self._damaged.append(problem)
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
