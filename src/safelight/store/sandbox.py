"""SQL of the user's own, answered by a warm child process that can be killed at any time.

`query.sql_guard` admits one SELECT over our relations. Should something pass it, this is the second wall: a process
without our environment, with limits of the system on its memory, processor and files (see `sandbox_child`), whose
DuckDB reaches the segments of the moment and nothing else. And what no limit of DuckDB's stops, such as
`repeat('x', 4e9)`, which ignored an interrupt for 82 s, ends with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa

from ..errors import QueryError, QueryTooCostly, SafelightError, StoreError
from .child import Child, Died
from .sandbox_child import MEMORY_MB, Request

MAX_ROWS: Final = 10_000
MOST_CALLERS: Final = 3
"""One is answered, the others wait; a further one is refused at once instead of holding a thread, too."""
GRACE_S: Final = 1.0
"""How long after its time-out a child that does not stop by itself is killed."""
IDLE_S: Final = 300.0
"""The child takes some 110 MB: unused for so long, it is let go. Starting one takes half a second."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`cut`: there were more rows than these."""

    table: pa.Table
    cut: bool


class UserSql:
    """Answers SELECTs over `events` (also called `comfyui_logs`) of a data directory, one at a time. Thread-safe."""

    def __init__(self, data: Path) -> None:
        self._data = data.absolute()
        self._one_at_a_time = threading.Lock()
        self._guard = threading.Lock()  # of what follows; never held while anybody waits for an answer
        self._callers = 0
        self._closed = False
        self._child: Child | None = None
        self._idle: threading.Timer | None = None

    def run(self, sql: str, *, timeout_s: float = 30, max_rows: int = MAX_ROWS) -> Answer:
        """The answer, cut to `max_rows`.

        Raises QueryTooCostly over time, memory or size and when too many ask at once, QueryError when it is no single
        SELECT or DuckDB refuses it, StoreError when the child died of something else or this was closed.
        """
        with self._place(), self._turn(timeout_s):
            return self._ask(Request(sql, timeout_s, max_rows))

    @contextmanager
    def _place(self) -> Iterator[None]:
        with self._guard:
            if self._callers >= MOST_CALLERS:
                raise QueryTooCostly("store.sql_busy")
            self._callers += 1
        try:
            yield
        finally:
            with self._guard:
                self._callers -= 1

    @contextmanager
    def _turn(self, timeout_s: float) -> Iterator[None]:
        if not self._one_at_a_time.acquire(timeout=timeout_s):
            raise QueryTooCostly("store.too_slow", seconds=f"{timeout_s:g}")
        try:
            yield
        finally:
            self._one_at_a_time.release()

    def _ask(self, request: Request) -> Answer:
        child = self._warm_child()
        out_of_time = threading.Event()

        def give_up() -> None:
            out_of_time.set()
            child.kill()

        watch = threading.Timer(request.timeout_s + GRACE_S, give_up)
        watch.daemon = True
        watch.start()
        try:
            reply, table = child.ask(request)
        except Died as death:
            raise self._obituary(death, request, out_of_time=out_of_time.is_set()) from death
        finally:
            watch.cancel()
            self._let_go_when_idle()
        if reply.problem is not None:
            kind = QueryTooCostly if reply.costly else QueryError
            raise kind(reply.problem, **reply.values)
        return Answer(table, reply.cut)

    def _obituary(self, death: Died, request: Request, *, out_of_time: bool) -> SafelightError:
        if self._closed:
            return StoreError("store.closed")
        if out_of_time or death.of_time:
            return QueryTooCostly("store.too_slow", seconds=f"{request.timeout_s:g}")
        if death.of_memory:
            return QueryTooCostly("store.too_much_memory", limit=f"{MEMORY_MB}MB")
        return StoreError("store.sandbox_died", reason=death.reason)

    def _warm_child(self) -> Child:
        with self._guard:
            if self._closed:
                raise StoreError("store.closed")
            if self._child is None or not self._child.alive:
                self._end_child()
                try:
                    self._child = Child(self._data)
                except OSError as error:
                    raise StoreError("store.sandbox_died", reason=error.strerror or str(error)) from error
            return self._child

    def _let_go_when_idle(self) -> None:
        with self._guard:
            if self._idle is not None:
                self._idle.cancel()
            if self._closed:
                return
            self._idle = threading.Timer(IDLE_S, self._end_if_idle)
            self._idle.daemon = True
            self._idle.start()

    def _end_if_idle(self) -> None:
        if self._one_at_a_time.acquire(blocking=False):
            try:
                with self._guard:
                    self._end_child()
            finally:
                self._one_at_a_time.release()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def close(self) -> None:
        """End the child, from any thread: the question under way fails at once, and so do those that wait."""
        with self._guard:
            self._closed = True
            if self._idle is not None:
                self._idle.cancel()
            if self._child is not None:
                self._child.kill()
        with self._one_at_a_time, self._guard:
            self._end_child()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
