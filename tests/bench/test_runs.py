"""Lists and single runs against the obvious statement, which adds up every run to show fifty: what the page waits for.

Prints ratios of one run on one machine; absolute times mean nothing here. Some ten seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from safelight.answers import queue, run, runs
from safelight.batch import Batch
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore
from support.runs import rows, story

pytestmark = [pytest.mark.bench, pytest.mark.timeout(180)]

RUNS = 20_000
SPAN = timedelta(days=7)
ALL_OF_EVERY_RUN = Sql(
    "SELECT workflow_id, min(timestamp) AS began, max(timestamp), arg_max(event, timestamp) "
    "FILTER (event LIKE 'run%'), count(DISTINCT node_id) FILTER (event = 'node_finished'), max(vram_peak_mb), "
    "arg_min(instance, timestamp), arg_min(user_id, timestamp), arg_min(workflow_name, timestamp), "
    "arg_min(graph_hash, timestamp), arg_max(attributes, timestamp) FILTER (event = 'run_queued') "
    "FROM events GROUP BY 1 ORDER BY began DESC LIMIT 50"
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Iterator[SegmentStore]:
    """A week of runs of eight graphs, 17 events each."""
    now = datetime.now(UTC)
    kept = ("run_queued", "run_started", "node_started", "node_finished", "run_finished")
    like = [row for row in rows(story("ok", now).events) if row["event"] in kept]
    with SegmentStore.open(tmp_path_factory.mktemp("store")) as store:
        for first in range(0, RUNS, 1_000):
            batch = []
            for number in range(first, first + 1_000):
                shift = SPAN * (1 - number / RUNS)
                own = {"workflow_id": f"run-{number:08x}", "graph_hash": f"graph-{number % 8}"}
                for place, row in enumerate(like):
                    named = own if row["event"] == "run_queued" else own | {"graph_hash": None}
                    batch.append(row | named | {"id": f"{number}-{place}", "timestamp": row["timestamp"] - shift})
            store.append(Batch.of(batch))
        store.seal()
        yield store


def best(action: Callable[[], object], times: int = 5) -> float:
    """Seconds of the quickest go."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return min(taken)


@pytest.mark.parametrize(
    ("what", "ask"),
    [
        ("newest page of a day", runs),
        ("newest page of everything", lambda store: runs(store, start=None)),
        ("failed of everything", lambda store: runs(store, start=None, state="failed")),
        ("one run", lambda store: run(store, lambda _: None, "run-00001388")),
        ("the queue", queue),
    ],
)
def test_against_one_statement_that_knows_all_of_every_run(stored, what, ask):
    ratio = best(lambda: ask(stored)) / best(lambda: stored.run(ALL_OF_EVERY_RUN))
    print(f"\n{what}: {ratio:.2f} of one statement over {stored.figures().events:,} events")
    assert ratio < 2
