"""What rules cost: CPU of 50 mixed rules at 1,000 events/s and at rest, against taking in the same events; and a week
of events tried on one rule of each kind, against one statement that counts them all.

Prints ratios of one run on one machine; absolute times mean nothing here. Some two minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from safelight.alerts.judge import Judge
from safelight.alerts.past import replay
from safelight.alerts.rule import Rule
from safelight.batch import Batch
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore
from support.workload import events

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

WHENS = (
    "any level:ERROR",
    "any event:node_failed error_group:gpu_oom*",
    "any level:WARNING message:显存不足",
    "any instance:gpu-9",
    "any error_type:*OutOfMemory*",
    "more than 5 level:ERROR over 1h",
    "more than 20 level:ERROR by instance over 5m",
    "fewer than 10 event:image_processed over 1d",
    "fewer than 1 event:node_finished by instance over 10m",
    "failure rate > 15% over 15m, at least 20 runs",
    "rate of level:ERROR among * by node > 5% over 15m, at least 20",
    "mean duration_ms of event:node_finished by node > 30s over 15m, at least 20",
    "p95 duration_ms by node > 40s over 15m, at least 20",
    "max vram_used_mb by instance > 24000 over 5m",
    "3 failures in a row",
    "no events from comfyui for 5m",
    "no event:node_finished for 5m",
    "run takes > 30s",
    "node takes > 60s",
    "run shows no progress for 10m",
    "duration_ms by node 2x its usual over 1h, at least 10",
    "new error group",
    "gpu.temperature_c > 87 for 2m",
    "vram_used_mb by instance > 24GB",
    "queue empties after 30m",
)
RULES = [
    Rule(id=f"r{number}", when=WHENS[number % len(WHENS)].replace("5m", "7m") if number >= 25 else WHENS[number])
    for number in range(50)
]
RATE = 1_000
SECONDS = 20
WEEK = 1_000_000
END = datetime(2026, 11, 22, tzinfo=UTC)


def rows(count: int, **options: Any) -> Iterator[dict[str, Any]]:
    """Events of the usual week, a run every twelve."""
    for number, event in enumerate(events(count, **options)):
        sampler = event.pop("sampler", None)
        at = datetime.fromisoformat(str(event["timestamp"]))
        row = {**event, "timestamp": at, "received_at": at, "attributes": json.dumps({"sampler": sampler})}
        if event["event"] == "node_failed":
            row["error_group"] = f"gpu_oom:{event['node']}"
        if number % 12 == 0:
            row |= {"event": "run_started", "duration_ms": None}
        if number % 12 == 11:
            row["event"] = "run_failed" if number % 300 == 11 else "run_finished"
        yield row


def test_fifty_rules_at_a_thousand_events_a_second_and_at_rest(tmp_path):
    with SegmentStore.open(tmp_path) as store:
        judge = Judge(store, RULES, now=END, upto_seq=0, held={})
        watched, seq = END - timedelta(days=3), 0
        judging, taking_in = 0.0, 0.0
        for second in range(1, SECONDS + 1):
            now = END + timedelta(seconds=second)
            batch = Batch.of(list(rows(RATE, seed=second, end=now, span=timedelta(seconds=1))))
            began = time.process_time()
            upto = store.append(batch).last_seq
            taken = time.process_time()
            judged = judge.step(seq, upto, now, watched, {})
            judge.accept()
            judging, taking_in, seq = judging + time.process_time() - taken, taking_in + taken - began, upto
            assert not judged.failed
        began = time.process_time()
        for _ in range(60):
            now = max(judge.next_due(now), now + timedelta(milliseconds=1))
            judge.step(seq, seq, now, watched, {})
            judge.accept()
        rest = (time.process_time() - began) / 60
        costs = sorted(((cost.mean_ms, id_) for id_, cost in judge.costs().items()), reverse=True)
        dearest = ", ".join(f"{RULES[int(id_[1:])].when} ({ms:.1f} ms)" for ms, id_ in costs[:3])
        print(
            f"\n50 rules at {RATE} events/s: {100 * judging / SECONDS:.1f} % of a core, "
            f"{judging / taking_in:.1f} x appending the events; at rest {1000 * rest:.2f} ms each 5 s "
            f"({100 * rest / 5:.3f} %); dearest: {dearest}"
        )


def test_a_week_of_a_million_events_is_tried_on_every_kind_of_rule(tmp_path):
    with SegmentStore.open(tmp_path) as store:
        batch: list[dict[str, Any]] = []
        for row in rows(WEEK, end=END):
            batch.append(row)
            if len(batch) == 20_000:
                store.append(Batch.of(batch))
                batch = []
        store.seal()
        began = time.perf_counter()
        store.run(Sql("SELECT node, count(*), avg(duration_ms) FROM events GROUP BY 1"))
        peer = time.perf_counter() - began
        for when in WHENS:
            rule = Rule(id="r", when=when)
            began = time.perf_counter()
            said = sum(1 for _ in replay(store, rule, END - timedelta(days=7), END))
            taken = time.perf_counter() - began
            print(
                f"\n{taken:6.2f} s, {taken / peer:6.0f} x one statement over the week, {said:6} ticks: {when}", end=""
            )
