"""SQL of the user's own, answered by a warm child process that can be killed at any time.

`query.sql_guard` admits one SELECT over our relations. Should something pass it, this is the second wall: a process
without our environment, with limits of the system on its memory, processor and files (see `sandbox_child`), whose
DuckDB reaches the segments of the moment and nothing else. And what no limit of DuckDB's stops, such as
`repeat('x', 4e9)`, which ignored an interrupt for 82 s, ends with the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec
import pyarrow as pa

from ..errors import QueryError, QueryTooCostly
from .sandbox_child import MEMORY_MB, Reply, Request

MAX_ROWS: Final = 10_000
GRACE_S: Final = 1.0
"""How long after its time-out a child that does not stop by itself is killed."""
IDLE_S: Final = 300.0
"""The child takes some 110 MB: unused for so long, it is let go. Starting one takes half a second."""

_PACKAGES: Final = str(Path(__file__).resolve().parents[2])


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
        self._child: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None

    def run(self, sql: str, *, timeout_s: float = 30, max_rows: int = MAX_ROWS) -> Answer:
        """The answer, cut to `max_rows`.

        Raises QueryTooCostly over time, memory or size, QueryError when it is no single SELECT or DuckDB refuses it.
        """
        if not self._one_at_a_time.acquire(timeout=timeout_s):
            raise QueryTooCostly("store.too_slow", seconds=f"{timeout_s:g}")
        try:
            return self._ask(Request(sql, timeout_s, max_rows))
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
            reply, table = _exchange(child, request)
        except (OSError, EOFError, msgspec.DecodeError, pa.ArrowException) as error:
            self._end_child()
            if out_of_time.is_set():
                raise QueryTooCostly("store.too_slow", seconds=f"{request.timeout_s:g}") from error
            raise QueryTooCostly("store.too_much_memory", limit=f"{MEMORY_MB}MB") from error
        finally:
            watch.cancel()
            self._let_go_when_idle()
        if reply.problem is not None:
            kind = QueryTooCostly if reply.costly else QueryError
            raise kind(reply.problem, **reply.values)
        return Answer(table, reply.cut)

    def _warm_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end_child()
        kept = {name: value for name in ("SYSTEMROOT", "TMPDIR") if (value := os.environ.get(name))}
        self._child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "safelight.store.sandbox_child", str(self._data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": _PACKAGES},
        )
        return self._child

    def _let_go_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = threading.Timer(IDLE_S, self._end_if_idle)
        self._idle.daemon = True
        self._idle.start()

    def _end_if_idle(self) -> None:
        if self._one_at_a_time.acquire(blocking=False):
            try:
                self._end_child()
            finally:
                self._one_at_a_time.release()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                _close(stream)

    def close(self) -> None:
        """End the child; a question under way fails."""
        if self._idle is not None:
            self._idle.cancel()
        if self._child is not None:
            self._child.kill()
        with self._one_at_a_time:
            self._end_child()
            if self._idle is not None:
                self._idle.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _exchange(child: subprocess.Popen[bytes], request: Request) -> tuple[Reply, pa.Table]:
    if child.stdin is None or child.stdout is None:
        raise EOFError
    child.stdin.write(msgspec.json.encode(request) + b"\n")
    child.stdin.flush()
    line = child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    reply = msgspec.json.decode(line, type=Reply)
    body = child.stdout.read(reply.bytes)
    if len(body) < reply.bytes:
        raise EOFError
    return reply, pa.ipc.open_stream(body).read_all() if body else pa.table({})


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except OSError:
        return  # what was still to be written has nobody left to read it
