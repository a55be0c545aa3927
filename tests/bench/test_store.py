"""The embedded store against what it could have been: a DuckDB file as the hot part, and one view over everything.

Prints CPU ratios of one run on one machine; absolute times mean nothing here. About half a minute.
"""

from __future__ import annotations

import gzip
import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from safelight.batch import Batch
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]

EVENTS = 200_000
NODES = ["KSampler", "VAEDecode", "CLIPTextEncode", "LoadImage", "SaveImage", "ControlNetApply", "FaceRestore"]
T0 = datetime(2026, 11, 15, tzinfo=UTC)


def batches(total: int, size: int) -> Iterator[Batch]:
    """A week of a busy ComfyUI, one event in a hundred an error."""
    rng = random.Random(1)
    step = timedelta(days=7) / total
    for first in range(0, total, size):
        rows = []
        for index in range(first, first + size):
            error = rng.random() < 0.01
            node = rng.choice(NODES)
            took = round(rng.lognormvariate(5, 1), 2)
            rows.append(
                {
                    "id": f"7f3a9c1e-0-{index * 331}",
                    "timestamp": T0 + index * step,
                    "received_at": T0 + index * step + timedelta(milliseconds=rng.randrange(50)),
                    "level": "ERROR" if error else rng.choice(["INFO", "INFO", "DEBUG"]),
                    "event": "node_failed" if error else "node_finished",
                    "message": f"CUDA out of memory in {node}" if error else f"{node} finished in {took:.0f} ms",
                    "service": "comfyui",
                    "instance": f"gpu-{index % 3}",
                    "workflow_id": f"wf-{index // 40:08x}",
                    "node": node,
                    "duration_ms": took,
                    "error_group": f"gpu_oom:{node}" if error else None,
                    "attributes": json.dumps({"steps": rng.randrange(10, 60), "cfg": rng.randrange(10, 120) / 10}),
                }
            )
        yield Batch.of(rows)


def cpu(action: Callable[[], object], times: int = 1) -> float:
    """CPU seconds of this process for one go."""
    began = time.process_time()
    for _ in range(times):
        action()
    return (time.process_time() - began) / times


@pytest.fixture(scope="module")
def week() -> list[Batch]:
    return list(batches(EVENTS, 2_000))


@pytest.fixture(scope="module")
def stored(week, tmp_path_factory) -> Iterator[SegmentStore]:
    with SegmentStore.open(tmp_path_factory.mktemp("store")) as store:
        for batch in week:
            store.append(batch)
        store.seal()
        yield store


def duckdb_file(path: Path, parts: list[Batch]) -> duckdb.DuckDBPyConnection:
    """A table of the same columns, a transaction a batch, synced by DuckDB's own log."""
    connection = duckdb.connect(str(path), config={"threads": 2, "memory_limit": "512MB"})
    connection.register("nothing", parts[0].table.slice(0, 0))
    connection.execute("CREATE TABLE events AS SELECT 0::BIGINT AS seq, * FROM nothing")
    return connection


@pytest.mark.parametrize("size", [2_000, 200, 20])
def test_appending_against_inserting_into_a_duckdb_file(week, tmp_path, size):
    count = max(20, 20_000 // size)
    parts = [Batch(batch.table.slice(start, size)) for batch in week for start in range(0, 2_000, size)][:count]
    connection = duckdb_file(tmp_path / "hot.duckdb", parts)

    def insert() -> None:
        for number, part in enumerate(parts):
            connection.register("part", part.table)
            connection.execute(f"INSERT INTO events SELECT {number}, * FROM part")

    with SegmentStore.open(tmp_path / "data") as store:
        ours = cpu(lambda: [store.append(part) for part in parts])
    theirs = cpu(insert)
    connection.close()
    print(f"\nappend, {size:5} a batch: {ours / theirs:.2f} of the CPU of a DuckDB file")
    assert ours < theirs


def test_bytes_on_disk_against_gzip(week, stored):
    lines = "\n".join(
        json.dumps({name: value for name, value in row.items() if value is not None}, default=str)
        for batch in week[:10]
        for row in batch.table.to_pylist()
    ).encode()
    packed = len(gzip.compress(lines, mtime=0)) / 20_000
    ours = stored.figures().bytes / EVENTS
    print(f"\nsealed: {ours:.1f} bytes an event of {len(lines) / 20_000:.0f}, {ours / packed:.2f} of gzip")
    assert ours < packed


@pytest.mark.parametrize(
    ("what", "where", "naive"),
    [
        ("newest 100 errors", Sql("level = ?", ("ERROR",)), "level = 'ERROR'"),
        ("newest 100", Sql("TRUE"), "TRUE"),
        ("one id", Sql("id = ?", ("7f3a9c1e-0-33100000",)), "id = '7f3a9c1e-0-33100000'"),
    ],
)
def test_a_page_against_one_statement_over_the_whole_view(stored, what, where, naive):
    files = [str(path) for path in stored.directory.glob("*.parquet")]
    connection = duckdb.connect(config={"threads": 2})
    statement = f"SELECT * FROM read_parquet({files}) WHERE {naive} ORDER BY timestamp DESC, seq DESC LIMIT 100"

    def ask_view() -> pa.Table:
        return connection.sql(statement).to_arrow_table()

    def ask_store() -> pa.Table:
        return stored.newest(where, limit=100)

    assert ask_store()["seq"].to_pylist() == ask_view()["seq"].to_pylist()
    ratio = cpu(ask_store, 5) / cpu(ask_view, 5)
    connection.close()
    print(f"\n{what}: {ratio:.2f} of the CPU of the view")
    assert ratio < 2


def test_a_thousand_small_batches_against_one(week, tmp_path):
    one = Batch(pa.concat_tables([batch.table for batch in week[:5]]))
    sql = Sql("SELECT node, count(*) AS n, max(duration_ms) AS ms FROM events GROUP BY node ORDER BY node")
    with SegmentStore.open(tmp_path / "one") as whole, SegmentStore.open(tmp_path / "many") as many:
        whole.append(one)
        for start in range(0, len(one), 10):
            many.append(Batch(one.table.slice(start, 10)))
        assert many.run(sql).to_pylist() == whole.run(sql).to_pylist()
        ratio = cpu(lambda: many.run(sql), 10) / cpu(lambda: whole.run(sql), 10)
    print(f"\nfigures by node over 1,000 small batches: {ratio:.1f} times the CPU of one batch")
    assert ratio < 5
