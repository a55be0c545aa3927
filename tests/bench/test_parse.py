"""What understanding a line costs, beside the least that any reader of JSON lines pays: decoding it into a dict."""

import json
import random
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from safelight.batch import Batch, compose
from safelight.processors.enrich import Enrich
from safelight.processors.fingerprint import Fingerprint
from safelight.processors.parse import Parse
from safelight.processors.redact import Redact

pytestmark = pytest.mark.bench

LINES = 40_000
ROUNDS = 3
NODES = ["KSampler", "VAEDecode", "CLIPTextEncode", "CheckpointLoaderSimple", "SaveImage", "LoraLoader"]


def comfyui_line(at: int, dice: random.Random) -> str:
    """About 370 bytes; 1 % failures, 20 % with fields of their own, some Chinese."""
    moment = datetime(2025, 4, 27, tzinfo=UTC) + timedelta(milliseconds=50 * at)
    node = dice.choice(NODES)
    event = {
        "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": "INFO",
        "event": "node_finished",
        "service": "comfyui",
        "instance": "gpu-1",
        "workflow_id": f"{dice.getrandbits(128):032x}",
        "node": node,
        "node_id": str(dice.randint(1, 40)),
        "duration_ms": round(dice.random() * 3000, 2),
        "vram_used_mb": round(dice.random() * 20000, 1),
        "message": f"{node} finished after {dice.randint(1, 3000)} ms, queue {dice.randint(0, 20)} 图像完成",
    }
    kind = dice.random()
    if kind < 0.01:
        event |= {"level": "ERROR", "event": "node_failed", "error_type": "RuntimeError", "error_message": f"tile {at}"}
    elif kind < 0.2:
        event |= {"sampler": {"steps": 30, "cfg": 7.5, "name": "euler"}, "cache": True}
    return json.dumps(event, ensure_ascii=False)


def logging_line(at: int, dice: random.Random) -> str:
    """About 380 bytes, as a Python service's JSON formatter writes them: half of the fields are its own."""
    return json.dumps(
        {
            "timestamp": f"2025-04-05 10:{at // 60 % 60:02d}:{at % 60:02d},{at % 1000:03d}",
            "level": "INFO",
            "logger": "processor",
            "module": "processor",
            "func": "process_photo",
            "lineno": 41 + at % 7,
            "event": "image_processed",
            "input_size": "1920x1080",
            "output_format": "1-inch-blue",
            "processing_time_ms": dice.randint(200, 2000),
            "matting_time_ms": dice.randint(100, 700),
            "request_id": f"{dice.getrandbits(128):032x}",
            "message": f"photo {at} done for order {dice.randint(1, 99999)}",
        }
    )


def secret_line(at: int, dice: random.Random) -> str:
    """As the first, one in ten with a token in its message."""
    line = comfyui_line(at, dice)
    return line if at % 10 else line.replace("finished after", "called https://hub.example/?access_token=abcdef12345")


def cpu_us(work) -> float:
    """CPU microseconds a line, the best of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken) / LINES * 1e6


@pytest.mark.parametrize("make", [comfyui_line, logging_line, secret_line], ids=lambda make: make.__name__)
@pytest.mark.parametrize(("size", "most"), [(2000, 12), (200, 25)])
def test_a_line_costs_a_small_multiple_of_decoding_it(make, size, most, capsys):
    dice = random.Random(7)
    lines = [make(at, dice) for at in range(LINES)]
    encoded = [line.encode() for line in lines]
    given = {"received_at": datetime.now(UTC), "source": "app.log", "service": "comfyui"}
    batches = []
    for at in range(0, LINES, size):
        part = lines[at : at + size]
        batches.append(
            Batch.from_columns(len(part), {"raw": part, "id": [f"{at + i:032d}" for i in range(len(part))], **given})
        )
    decode = msgspec.json.Decoder(dict).decode
    steps = [
        Parse(profile="comfyui", timezone="Asia/Shanghai").build(),
        Enrich(fields={"environment": "production"}).build(),
        Fingerprint().build(),
        Redact().build(),
    ]
    parse, all_steps = steps[0], compose(steps)
    peer = cpu_us(lambda: [decode(line) and None for line in encoded])
    parsing = cpu_us(lambda: [parse(batch) and None for batch in batches])
    whole = cpu_us(lambda: [all_steps(batch) and None for batch in batches])
    with capsys.disabled():
        print(
            f"\n{make.__name__}, batches of {size}: decode to dict {peer:.2f} CPU-s per 1M,"
            f" parse {parsing:.2f} ({parsing / peer:.1f}x), parse to redact {whole:.2f} ({whole / peer:.1f}x)"
        )
    assert whole < most * peer
