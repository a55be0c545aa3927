"""A file of NDJSON to durable and queryable, beside DuckDB's own JSON reader into a DuckDB file.

`SAFELIGHT_BENCH_EVENTS` sets the size; the documented figures are of 1,000,000.
"""

from __future__ import annotations

import os
import resource
import statistics
import time

import duckdb
import pytest

from safelight import answers
from safelight.documents import Documents
from safelight.importing import Local, import_file
from safelight.store.segments import SegmentStore
from support.workload import RARE, write

pytestmark = pytest.mark.bench
COUNT = int(os.environ.get("SAFELIGHT_BENCH_EVENTS", "100000"))
ROUNDS = 5


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    return write(tmp_path_factory.mktemp("workload") / "studio.ndjson", COUNT)


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(work):
    cpu, wall = cpu_s(), time.perf_counter()
    work()
    return (cpu_s() - cpu) / COUNT * 1e6, (time.perf_counter() - wall) / COUNT * 1e6


@pytest.fixture(scope="module")
def stored(workload, tmp_path_factory):
    """Our store and the peer's file, filled and measured."""
    root = tmp_path_factory.mktemp("stores")
    store = SegmentStore.open(root / "ours")
    ours = measured(lambda: import_file(str(workload), "comfyui", Local(store, Documents(root / "documents"))))
    store.seal()
    peer = duckdb.connect(str(root / "peer.duckdb"), config={"threads": 2})
    theirs = measured(lambda: peer.sql(f"CREATE TABLE events AS SELECT * FROM read_json('{workload}')"))
    peer.sql("CHECKPOINT")
    yield store, peer, ours, theirs, (root / "peer.duckdb").stat().st_size
    peer.close()
    store.close()


def test_a_file_to_durable_and_queryable(workload, stored):
    store, _, ours, theirs, size = stored
    figures = store.figures()
    print(f"\n{COUNT:,} lines of {workload.stat().st_size / COUNT:.0f} B, per 1M lines:")
    print(f"  safelight (parsed, grouped, redacted, fsynced)  {ours[0]:5.1f} CPU-s  {ours[1]:5.1f} s")
    print(f"  DuckDB read_json into a table                   {theirs[0]:5.1f} CPU-s  {theirs[1]:5.1f} s")
    print(
        f"  ratio of CPU {ours[0] / theirs[0]:.2f}; bytes an event {figures.bytes / COUNT:.1f} and {size / COUNT:.1f}"
    )
    assert figures.events == COUNT


QUESTIONS = {
    "one event by its id": ("id:{id}", "SELECT * FROM events WHERE workflow_id = '{wf}' LIMIT 1"),
    "newest 100 errors": (
        "level:ERROR",
        "SELECT * FROM events WHERE level = 'ERROR' ORDER BY timestamp DESC LIMIT 100",
    ),
    "a rare word": (
        RARE,
        f"SELECT * FROM events WHERE contains(lower(message), '{RARE}') ORDER BY timestamp DESC LIMIT 100",
    ),
    "mean and p95 by node": (
        "* | stats avg(duration_ms), p95(duration_ms), count() by node",
        "SELECT node, avg(duration_ms), quantile_cont(duration_ms, 0.95), count(*) FROM events GROUP BY node",
    ),
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_questions(stored, what):
    store, peer, *_ = stored
    known = answers.search(store, "level:ERROR", limit=1)["events"][0]
    ours, theirs = (text.format(id=known["id"], wf=known["workflow_id"]) for text in QUESTIONS[what])
    times = {"safelight": [], "DuckDB": []}
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        found = answers.search(store, ours, limit=100)
        times["safelight"].append(time.perf_counter() - began)
        began = time.perf_counter()
        peer.sql(theirs).to_arrow_table()
        times["DuckDB"].append(time.perf_counter() - began)
    median = {who: statistics.median(taken[1:]) * 1000 for who, taken in times.items()}
    ratio = median["safelight"] / median["DuckDB"]
    print(f"\n{what}: {median['safelight']:.1f} ms, DuckDB file {median['DuckDB']:.1f} ms, ratio {ratio:.2f}")
    assert found.get("events") or found.get("rows")
