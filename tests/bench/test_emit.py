"""What an event costs, beside the standard library's `json.dumps` and `logging.FileHandler` with the same record."""

import json
import logging
import time

import pytest

from safelight_emit.context import fields as bound_fields
from safelight_emit.spool import Spool
from safelight_emit.writer import Writer

pytestmark = pytest.mark.bench

EVENTS = 5_000  # below the writer's queue, as a burst in life is
ROUNDS = 5
FIELDS = {
    "workflow_id": "wf-8a2f1e9b",
    "request_id": "0b7c41",
    "processing_time_ms": 842,
    "matting_time_ms": 610.5,
    "input_size": "1920x1080",
    "output_format": "1-inch-blue",
}
PROCESS = {"service": "bench", "host": "here"}


@pytest.fixture
def emit(tmp_path, monkeypatch):
    """`event` with a writer of its own, and that writer."""
    from safelight_emit import emit as module

    writer = Writer(Spool(str(tmp_path / "spool"), "bench", "here"))
    monkeypatch.setattr(module, "_writer", writer)
    monkeypatch.setattr(module, "_static", PROCESS)
    assert bound_fields.get() == {}
    yield module.event, writer
    assert writer.close(30)


@pytest.fixture
def log(tmp_path):
    logger = logging.Logger("bench")  # noqa: LOG001 - one that nobody else listens to
    handler = logging.FileHandler(tmp_path / "bench.log")
    logger.addHandler(handler)
    yield lambda: logger.info(
        json.dumps({"timestamp": time.time(), "level": "INFO", "event": "image_processed", **PROCESS, **FIELDS})
    )
    handler.close()


def measured(call, finish=lambda: None):
    """µs of the caller's time and of the process's CPU for one call."""
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(EVENTS):
        call()
    caller = time.perf_counter() - began
    finish()
    return caller / EVENTS * 1e6, (time.process_time() - cpu) / EVENTS * 1e6


def report(what, ours, theirs):
    print(
        f"\n{what}: caller {ours[0]:.2f} µs, {ours[0] / theirs[0]:.2f} x json + FileHandler ({theirs[0]:.2f} µs); "
        f"CPU of both threads {ours[1]:.2f} µs, {ours[1] / theirs[1]:.2f} x ({theirs[1]:.2f} µs)"
    )


@pytest.mark.parametrize("extra", [{}, {"size": {"width": 1920, "height": 1080}, "steps": [1, 2, 3]}], ids=str)
def test_an_event_beside_the_standard_library(emit, log, tmp_path, extra):
    event, writer = emit
    fields = {**FIELDS, **extra}
    rounds = [
        (measured(lambda: event("image_processed", **fields), lambda: writer.flush(30)), measured(log))
        for _ in range(ROUNDS)
    ]
    ours, theirs = ([min(column) for column in zip(*side, strict=True)] for side in zip(*rounds, strict=True))
    report(f"event with {len(fields)} fields, {len(extra)} of them containers", ours, theirs)
    lines = sum(file.read_bytes().count(b"\n") for file in tmp_path.glob("spool/*/*.ndjson"))
    assert lines == EVENTS * ROUNDS
    assert writer.health()["dropped"] == 0


def test_a_single_event_is_soon_on_disk(emit, tmp_path):
    event, writer = emit
    event("first", **FIELDS)
    assert writer.flush(30)
    (path,) = tmp_path.glob("spool/*/*.ndjson")
    calls, arrivals = [], []
    for number in range(1, 51):
        time.sleep(0.01)  # the writer sleeps again: the dearest case for a caller
        began = time.perf_counter()
        event("image_processed", **FIELDS)
        calls.append(time.perf_counter() - began)
        while path.read_bytes().count(b"\n") == number:
            time.sleep(0.0002)
        arrivals.append(time.perf_counter() - began)
    print(
        f"\na single event: caller {sorted(calls)[25] * 1e6:.0f} µs, on disk after {sorted(arrivals)[25] * 1e3:.1f} ms "
        f"(median), {max(arrivals) * 1e3:.1f} ms (worst of 50)"
    )
    assert path.read_bytes().count(b"\n") == 51
