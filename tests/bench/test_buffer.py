"""What the queue before a sink costs, beside the events that go through it, and rendering beside dictionaries.

Prints figures of one run on one machine; only ratios within it mean something. A few seconds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec
import pytest

from safelight import rows
from safelight.batch import Batch
from safelight.buffer.queue import Buffer
from safelight.shipping.payload import MOST_WEIGHT, pack, unpack
from safelight.sinks.rendering import ndjson

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]
EVENTS = 200_000
BATCH = 5_000


def batch(first: int) -> Batch:
    rng = random.Random(first)
    nodes = ["KSampler", "VAEDecode", "CLIPTextEncode", "LoadImage", "SaveImage"]
    time_us = 1_795_000_000_000_000
    return Batch.from_columns(
        BATCH,
        {
            "id": [f"7f3a9c1e-0-{(first + n) * 331}" for n in range(BATCH)],
            "timestamp": [time_us + (first + n) * 3_000_000 for n in range(BATCH)],
            "received_at": [time_us + (first + n) * 3_000_000 + 5 for n in range(BATCH)],
            "level": [rng.choice(["INFO", "INFO", "DEBUG", "ERROR"]) for _ in range(BATCH)],
            "event": "node_finished",
            "message": [f"{rng.choice(nodes)} finished in {rng.randrange(9_000)} ms" for _ in range(BATCH)],
            "service": "comfyui",
            "instance": [f"gpu-{n % 3}" for n in range(BATCH)],
            "workflow_id": [f"wf-{(first + n) // 40:08x}" for n in range(BATCH)],
            "node": [rng.choice(nodes) for _ in range(BATCH)],
            "duration_ms": [round(rng.lognormvariate(5, 1), 2) for _ in range(BATCH)],
            "attributes": [f'{{"steps":{rng.randrange(10, 60)},"cfg":{rng.random():.2f}}}' for _ in range(BATCH)],
        },
    )


def cpu(action: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    began = time.process_time()
    action()
    return time.process_time() - began


def test_events_pass_the_queue(tmp_path, capsys):
    batches = [batch(first) for first in range(0, EVENTS, BATCH)]
    received = 0
    with Buffer.open(tmp_path, chunk_bytes=8 << 20, chunks=64) as queue:

        def put() -> None:
            for one in batches:
                queue.append(pack(one, BATCH), {"seq": "1"})

        def take() -> None:
            nonlocal received
            while (claim := queue.claim(BATCH, MOST_WEIGHT)) is not None:
                received += len(unpack(claim.frames))
                queue.done(claim)

        began = time.perf_counter()
        putting = cpu(put)
        took = time.perf_counter() - began
        size, weight = queue.figures().bytes, sum(one.table.nbytes for one in batches)
        taking = cpu(take)
    assert received == EVENTS
    per_million = 1_000_000 / EVENTS
    with capsys.disabled():
        print(
            f"\nqueue: in {putting * per_million:.2f}, out {taking * per_million:.2f} CPU-s per 1M events,"
            f" {size / EVENTS:.0f} B/event on disk; {weight / took / 1e6:.0f} MB/s of events,"
            f" {size / took / 1e6:.0f} MB/s written, an fsync every {BATCH:,} events"
        )


def test_one_event_at_a_time(tmp_path, capsys):
    one = Batch(batch(0).table.slice(0, 1))
    with Buffer.open(tmp_path, chunk_bytes=8 << 20, chunks=64) as queue:
        began = time.perf_counter()
        spent = cpu(lambda: [queue.append(pack(one, BATCH), {"seq": "1"}) for _ in range(500)])
        took = time.perf_counter() - began
    with capsys.disabled():
        print(f"\nqueue, an fsync each: {500 / took:.0f} appends/s, {spent / 500 * 1e6:.0f} us of CPU each")


def test_rendering_beside_dictionaries(capsys):
    whole = batch(0)
    times = 5
    columns = min(cpu(lambda: ndjson(whole)) for _ in range(times)) / BATCH * 1e6
    merged = min(cpu(lambda: ndjson(whole, merged=True)) for _ in range(times)) / BATCH * 1e6
    plain = min(cpu(lambda: [msgspec.json.encode(row) for row in rows.events(whole.table)]) for _ in range(times))
    pylist = plain / BATCH * 1e6
    assert columns < pylist
    with capsys.disabled():
        print(f"\nrendering: {columns:.2f} us a row ({merged:.2f} merged), as dictionaries {pylist:.2f}")
