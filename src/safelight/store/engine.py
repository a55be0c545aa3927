"""DuckDB, which reads our files and keeps nothing: one database in memory, one cursor a question, limits on all."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from ..errors import QueryTooCostly, SafelightError, StoreError

MEMORY: Final = "512MB"
THREADS: Final = 2
AGAIN_S: Final = 0.05
"""An interrupt that comes between two statements is lost on the next one: it is repeated so often."""
STALE_MAX: Final = 64
"""Files that are gone and were read. DuckDB keeps the footer of each file it has read, 47 kB of a small segment, and
forgets none until its memory is full; after so many it begins anew."""


class Deadline:
    """When a question must be answered; shared by the statements that answer it."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds; never quite zero, which a timer would take for none."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() >= self._end

    def exceeded(self) -> QueryTooCostly:
        """The error to raise when it has passed."""
        return QueryTooCostly("store.too_slow", seconds=f"{self.timeout_s:g}")


class Engine:
    """Answers SQL over files and Arrow tables. May be used from any thread; opened by the first question."""

    def __init__(self, *, memory: str = MEMORY, threads: int = THREADS, spill: Path | None = None) -> None:
        self._settings: dict[str, Any] = {
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": str(spill) if spill else "",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            # Gives memory back when idle: 140 instead of 200 MB after large questions over 10M events.
            "allocator_background_threads": True,
        }
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._retired: list[duckdb.DuckDBPyConnection] = []  # still in use, and not asked any more
        self._sessions: set[Session] = set()  # under way
        self._known: set[Hashable] = set()
        self._closed = False

    def reads(self, files: Collection[Hashable]) -> None:
        """What there is to read from now on. Memory does not grow with the files there were."""
        with self._lock:
            self._known.update(files)
            if len(self._known) - len(files) >= STALE_MAX:
                self._known = set(files)
                self._retire()

    def _begin(self, deadline: Deadline) -> Session:
        with self._lock:
            if self._closed:
                raise StoreError("store.closed")
            if deadline.passed:
                raise deadline.exceeded()
            if self._database is None:
                self._database = duckdb.connect(":memory:", config=self._settings)
                self._database.execute("SET GLOBAL TimeZone = 'UTC'")
                self._database.execute("SET GLOBAL parquet_metadata_cache = true")
            session = Session(self._database, deadline)
            self._sessions.add(session)
            return session

    @contextmanager
    def session(self, deadline: Deadline) -> Iterator[Session]:
        """A cursor of its own, interrupted at the deadline or when the engine is closed.

        Raises QueryTooCostly when the deadline has passed, StoreError when the engine is closed.
        """
        session = self._begin(deadline)
        try:
            with session:
                yield session
        finally:
            with self._lock:
                self._sessions.discard(session)
                self._release()

    def close(self) -> None:
        """Interrupt what is under way and refuse what comes later. The memory is released with the last session."""
        with self._lock:
            self._closed = True
            for session in self._sessions:
                session.give_up()
            self._retire()

    def _retire(self) -> None:
        if self._database is not None:
            self._retired.append(self._database)
            self._database = None
        self._release()

    def _release(self) -> None:
        """Closing a database closes its cursors too, and one that still runs must not lose its own."""
        used = [session.database for session in self._sessions]
        for database in [one for one in self._retired if one not in used]:
            self._retired.remove(database)
            database.close()


class Session:
    """Statements that share a deadline and the tables registered for them. A thread of its own watches the time."""

    def __init__(self, database: duckdb.DuckDBPyConnection, deadline: Deadline) -> None:
        self.database = database
        self._cursor = database.cursor()
        self._deadline = deadline
        self._given_up = False
        self._over = False
        self._wake = threading.Event()
        self._watch = threading.Thread(target=self._interrupt_in_time, name="safelight-deadline", daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over = True
        self._wake.set()
        self._watch.join()  # a cursor that is closed must not be interrupted
        self._cursor.close()

    def give_up(self) -> None:
        """Interrupt the statement under way, from any thread, and refuse further ones."""
        self._given_up = True
        self._wake.set()

    def _interrupt_in_time(self) -> None:
        self._wake.wait(self._deadline.left_s)
        while not self._over:
            self._cursor.interrupt()
            self._wake.clear()
            if not self._over:
                self._wake.wait(AGAIN_S)

    def register(self, tables: Mapping[str, pa.Table]) -> None:
        """Make Arrow tables known by name, to this session only."""
        for name, table in tables.items():
            self._cursor.register(name, table)

    def execute(self, text: str) -> None:
        """Run a statement without an answer."""
        with self._limits():
            self._cursor.execute(text)

    def is_one_select(self, text: str) -> bool:
        """Whether a text is a single SELECT, by DuckDB's own parser. Raises duckdb.Error when it is no SQL."""
        statements = self._cursor.extract_statements(text)
        return len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT

    def stream(self, text: str) -> Iterator[pa.RecordBatch]:
        """The answer of one SELECT, batch by batch; the first is empty when there are no rows.

        Raises what `ask` raises, and OSError for an error of DuckDB's after the first batches.
        """
        with self._limits():
            reader = self._cursor.sql(text).to_arrow_reader(2048)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader

    def ask(self, text: str, parameters: tuple[Any, ...] = ()) -> pa.Table:
        """The answer of one SELECT.

        Raises QueryTooCostly over time or memory, StoreError when the engine is closed meanwhile, other duckdb.Error
        when DuckDB refuses (a bad regular expression) and when a file is gone or damaged.
        """
        with self._limits():
            return self._cursor.sql(text, params=list(parameters)).to_arrow_table()

    @contextmanager
    def _limits(self) -> Iterator[None]:
        """An interrupt stops only what runs: what begins too late is stopped here."""
        if self._given_up or self._deadline.passed:
            raise self._too_late()
        try:
            yield
        except duckdb.InterruptException as error:
            raise self._too_late() from error
        except duckdb.OutOfMemoryException as error:
            raise QueryTooCostly("store.too_much_memory", limit=MEMORY) from error
        except OSError as error:  # Arrow hands on only the words of what happens in the middle of a stream
            if str(error).startswith("INTERRUPT"):
                raise self._too_late() from error
            if str(error).startswith("Out of Memory"):
                raise QueryTooCostly("store.too_much_memory", limit=MEMORY) from error
            raise

    def _too_late(self) -> SafelightError:
        return StoreError("store.closed") if self._given_up else self._deadline.exceeded()
