"""What each step costs an event, beside a look at one column: the least that anything that is asked of events costs."""

import json
import random
import time
from datetime import UTC, datetime

import pytest

from safelight.batch import Batch
from safelight.processors.drop import Drop
from safelight.processors.enrich import Enrich
from safelight.processors.fingerprint import Fingerprint
from safelight.processors.keep import Keep
from safelight.processors.limit import Limit
from safelight.processors.parse import Parse
from safelight.processors.redact import Redact
from safelight.processors.rename import Rename
from safelight.processors.sample import Sample

pytestmark = pytest.mark.bench

SIZES = (1, 100, 10_000)
ROUNDS = 3
STEPS = {
    "keep level": Keep(where="level:>=INFO"),
    "drop phrase": Drop(where='"GET /healthz"'),
    "drop attribute": Drop(where="sampler.steps:>40"),
    "drop regex": Drop(where=r"/tile \d+ of/"),
    "sample 10 % of DEBUG": Sample(where="level:DEBUG", rate=0.1),
    "sample by run": Sample(rate=0.5, by="workflow_id"),
    "sample adaptive": Sample(adaptive={"above": "1000/s"}),
    "limit": Limit(rate="1000/s", by=["source", "user_id"]),
    "enrich 4": Enrich(fields={"environment": "production", "site": "a", "rack": 7, "processed_at": "${now}"}),
    "enrich where": Enrich(where="level:DEBUG", fields={"environment": "production"}),
    "rename columns": Rename(fields={"user_id": "tag"}),
    "rename attributes": Rename(fields={"sampler.steps": "steps"}),
    "parse logfmt": Parse(formats=["logfmt"], field="said"),
    "parse regex": Parse(pattern=r"took=(?P<took>\d+)", where="*"),
    "redact": Redact(),
    "redact all": Redact(paths=True, addresses=True, emails=True, phones=True),
    "redact own": Redact(patterns=["order-[0-9]{8}", r"\bPRJ[0-9]+\b"]),
    "fingerprint": Fingerprint(),
}


def event(at: int, dice: random.Random) -> dict:
    """40 % DEBUG, 1 % errors, half with attributes."""
    node = dice.choice(["KSampler", "VAEDecode", "CLIPTextEncode"])
    failed = at % 100 == 99
    return {
        "id": f"{at:032d}",
        "timestamp": datetime(2026, 11, 22, tzinfo=UTC),
        "received_at": datetime(2026, 11, 22, tzinfo=UTC),
        "level": "ERROR" if failed else "DEBUG" if at % 5 < 2 else "INFO",
        "event": "node_failed" if failed else "log",
        "message": f"{node} finished after {dice.randint(1, 3000)} ms took={at % 900} queue {dice.randint(0, 20)}",
        "service": "comfyui",
        "source": "app.log",
        "workflow_id": f"{at // 20:032x}",
        "user_id": dice.choice(["li", "wei", None]),
        "node": node,
        "duration_ms": dice.random() * 3000,
        "error_type": "RuntimeError" if failed else None,
        "error_message": f"tile {at} is lost" if failed else None,
        "attributes": json.dumps({"sampler": {"steps": 30}, "said": "a=1 b=two"}) if at % 2 else None,
    }


def cpu_us(step, batch: Batch) -> float:
    """CPU microseconds an event, the best of some rounds."""
    times = max(1, 2000 // len(batch)) if len(batch) < 10_000 else 2
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            step(batch)
        taken.append((time.process_time() - start) / times)
    return min(taken) / len(batch) * 1e6


@pytest.mark.parametrize("name", STEPS)
def test_a_step_costs_less_than_understanding_a_line(name, capsys):
    """By the batch of 10,000, against the step that every line goes through anyway."""
    dice = random.Random(7)
    rows = [event(at, dice) for at in range(max(SIZES))]
    batches = [Batch.of(rows[:size]) for size in SIZES]
    raw = [{"id": row["id"], "received_at": row["received_at"], "raw": json.dumps(row, default=str)} for row in rows]
    process = STEPS[name].step()
    process(batches[0])  # what is loaded by the first use
    costs = [cpu_us(process, batch) for batch in batches]
    understanding = cpu_us(Parse().build(), Batch.of(raw))
    with capsys.disabled():
        told = ", ".join(f"{cost:.2f} ({size:,})" for cost, size in zip(costs, SIZES, strict=True))
        print(f"\n{name}: CPU µs an event in batches: {told}; {costs[-1] / understanding:.2f}x understanding a line")
    most = 1 if name.startswith("parse") else 0.5
    assert costs[-1] < most * understanding
