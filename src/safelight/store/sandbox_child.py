"""The process behind `sandbox`: reads questions on standard input, writes answers on standard output.

Before the first question it gives up what it does not need: writing files, unbounded memory, more processor time than
a question may take. Each question gets a database of its own that, once it knows the segments of the moment, is told
to reach nothing else and to let nobody change that.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from ..errors import QueryTooCostly, StoreError
from ..query.sql import EVERYTHING
from .catalog import Snapshot, short
from .engine import Deadline, Engine, Session
from .follower import Follower
from .scan import define_events, file_list

MEMORY_MB: Final = 512
"""Of DuckDB. The process may take `_PROCESS_MEMORY`, which its libraries reserve a part of without using it."""
MAX_BYTES: Final = 64 << 20
"""Of an answer, as Arrow."""
_PROCESS_MEMORY: Final = 3 << 30
_THREADS: Final = 2
_ATTEMPTS: Final = 5


class Request(msgspec.Struct, frozen=True):
    """A question."""

    sql: str
    timeout_s: float
    max_rows: int


class Reply(msgspec.Struct, frozen=True):
    """What goes before an answer of so many bytes, or a problem by its key in the catalogue."""

    bytes: int = 0
    cut: bool = False
    problem: str | None = None
    costly: bool = False
    values: dict[str, Any] = {}


def answer(follower: Follower, request: Request) -> tuple[Reply, pa.Table | None]:
    """The reply to a question, and the rows that follow it."""
    deadline = Deadline(request.timeout_s)
    try:
        for _ in range(_ATTEMPTS):
            snapshot = follower.snapshot()
            try:
                return _select(snapshot, request, deadline)
            except (duckdb.Error, StoreError, OSError) as error:
                if all(path.exists() for path in snapshot.paths()):
                    return Reply(problem="store.refused", values={"reason": short(error)}), None
                # Sealed or merged meanwhile: asked again over the files that are there now.
        raise deadline.exceeded()
    except QueryTooCostly as error:
        return Reply(problem=error.key, costly=True, values={k: str(v) for k, v in error.values.items()}), None
    except MemoryError:
        return Reply(problem="store.too_much_memory", costly=True, values={"limit": f"{MEMORY_MB}MB"}), None


def _select(snapshot: Snapshot, request: Request, deadline: Deadline) -> tuple[Reply, pa.Table | None]:
    engine = Engine(memory=f"{MEMORY_MB}MB", threads=_THREADS)
    try:
        with engine.session(deadline) as session:
            define_events(session, snapshot, EVERYTHING)
            session.execute("CREATE TEMP VIEW comfyui_logs AS FROM events")
            _close_in(session, snapshot)
            if not session.is_one_select(request.sql):
                return Reply(problem="store.one_select"), None
            return _collect(session.stream(request.sql), request.max_rows)
    finally:
        engine.close()


def _close_in(session: Session, snapshot: Snapshot) -> None:
    """From here on the database reaches the segments and nothing else, and no statement changes that."""
    session.execute(f"SET allowed_paths = [{file_list(snapshot.segments)}]")
    session.execute("SET enable_external_access = false")
    session.execute("SET lock_configuration = true")


def _collect(batches: Iterator[pa.RecordBatch], max_rows: int) -> tuple[Reply, pa.Table | None]:
    """The first rows, without waiting for more than one row too many."""
    kept: list[pa.RecordBatch] = []
    schema: pa.Schema | None = None
    rows = size = 0
    for batch in batches:
        schema = batch.schema
        kept.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if size > MAX_BYTES:
            return Reply(problem="store.answer_too_large", costly=True, values={"limit": str(MAX_BYTES >> 20)}), None
        if rows > max_rows:
            break
    table = pa.Table.from_batches(kept, schema=schema)
    return Reply(cut=rows > max_rows), table.slice(0, max_rows)


def limit_this_process() -> None:
    """Give up writing files and unbounded memory, for good."""
    for kind, most in (
        (resource.RLIMIT_AS, _PROCESS_MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        _limit(kind, _lower(most, hard), _lower(most, hard))


def limit_next_question(timeout_s: float) -> None:
    """Let the process use as much processor time as this question may take, on all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = int(used.ru_utime + used.ru_stime + timeout_s * (_THREADS + 1)) + 2
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    _limit(resource.RLIMIT_CPU, _lower(allowed, hard), hard)


def _lower(most: int, hard: int) -> int:
    return most if hard == resource.RLIM_INFINITY else min(most, hard)


def _limit(kind: int, soft: int, hard: int) -> None:
    """A system that knows no such limit (macOS: memory) refuses; then only DuckDB's own hold."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (soft, hard))


def main() -> None:
    """Answer until standard input ends."""
    limit_this_process()
    follower = Follower(Path(sys.argv[1]) / "events", lambda problem: None)
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        limit_next_question(request.timeout_s)
        reply, table = answer(follower, request)
        _write(reply, table)


def _write(reply: Reply, table: pa.Table | None) -> None:
    body: Any = b""
    if table is not None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue()
    out = sys.stdout.buffer
    out.write(msgspec.json.encode(msgspec.structs.replace(reply, bytes=len(memoryview(body)))) + b"\n")
    out.write(body)
    out.flush()


if __name__ == "__main__":
    main()
