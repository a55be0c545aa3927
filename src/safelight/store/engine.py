"""DuckDB, which reads our files and keeps nothing: one database in memory, one cursor a question, limits on all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from ..errors import QueryTooCostly, StoreError

MEMORY: Final = "512MB"
THREADS: Final = 2


class Deadline:
    """When a question must be answered; shared by the statements that answer it."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds; never quite zero, which a timer would take for none."""
        return max(self._end - time.monotonic(), 0.001)

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
        self._closed = False

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._closed:
                raise StoreError("store.closed")
            if self._database is None:
                self._database = duckdb.connect(":memory:", config=self._settings)
                self._database.execute("SET GLOBAL TimeZone = 'UTC'")
                self._database.execute("SET GLOBAL parquet_metadata_cache = true")
            return self._database.cursor()

    @contextmanager
    def session(self, deadline: Deadline) -> Iterator[Session]:
        """A cursor of its own, interrupted at the deadline."""
        cursor = self._cursor()
        watch = threading.Timer(deadline.left_s, cursor.interrupt)
        watch.daemon = True
        watch.start()
        try:
            yield Session(cursor, deadline)
        finally:
            watch.cancel()
            cursor.close()

    def close(self) -> None:
        """Release the memory. Later questions are refused."""
        with self._lock:
            self._closed = True
            if self._database is not None:
                self._database.close()
                self._database = None


class Session:
    """Statements that share a deadline and the tables registered for them."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, deadline: Deadline) -> None:
        self._cursor = cursor
        self._deadline = deadline

    def register(self, tables: Mapping[str, pa.Table]) -> None:
        """Make Arrow tables known by name, to this session only."""
        for name, table in tables.items():
            self._cursor.register(name, table)

    def execute(self, text: str) -> None:
        """Run a statement without an answer."""
        with self._errors():
            self._cursor.execute(text)

    def is_one_select(self, text: str) -> bool:
        """Whether a text is a single SELECT, by DuckDB's own parser. Raises duckdb.Error when it is no SQL."""
        statements = self._cursor.extract_statements(text)
        return len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT

    def stream(self, text: str) -> Iterator[pa.RecordBatch]:
        """The answer of one SELECT, batch by batch; the first is empty when there are no rows."""
        with self._errors():
            reader = self._cursor.sql(text).to_arrow_reader(2048)
            yield pa.RecordBatch.from_pylist([], schema=reader.schema)
            yield from reader

    def ask(self, text: str, parameters: tuple[Any, ...] = ()) -> pa.Table:
        """The answer of one SELECT.

        Raises QueryTooCostly over time or memory, QueryError when DuckDB refuses (a bad regular expression),
        duckdb.IOException and duckdb.InvalidInputException when a file is gone or damaged.
        """
        with self._errors():
            return self._cursor.sql(text, params=list(parameters)).to_arrow_table()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.InterruptException as error:
            raise self._deadline.exceeded() from error
        except duckdb.OutOfMemoryException as error:
            raise QueryTooCostly("store.too_much_memory", limit=MEMORY) from error
