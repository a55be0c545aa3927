"""A week of a studio as NDJSON, about 320 bytes a line: what the measurements and the browser tests read.

Deterministic by seed. About 1 % errors, some Chinese, 40 % of the lines with a field that is no column.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

NODES = {
    "CheckpointLoaderSimple": 3200,
    "CLIPTextEncode": 400,
    "KSampler": 9000,
    "VAEDecode": 1200,
    "SaveImage": 300,
    "LoraLoader": 800,
    "ControlNetApply": 60,
    "UltimateSDUpscale": 22000,
}
USERS = ("lin.wei", "chen.yu", "maria", "tom", "api-batch")
WORDS = [
    "loaded",
    "model",
    "partially",
    "lowvram",
    "patch",
    "sampler",
    "step",
    "latent",
    "decode",
    "encode",
    "image",
    "batch",
    "queue",
    "prompt",
    "cache",
]
RARE = "quetzalcoatl-7f3a"
"""A word that is in 33 lines of every million."""


def events(
    count: int, *, seed: int = 1, end: datetime | None = None, span: timedelta = timedelta(days=7)
) -> Iterator[dict[str, object]]:
    """`count` events in the order of their time."""
    dice = random.Random(seed)
    end = end or datetime(2026, 11, 22, tzinfo=UTC)
    step, at = span / count, end - span
    names = list(NODES)
    for number in range(count):
        at += step
        node = names[number % len(names)]
        duration = round(NODES[node] * dice.lognormvariate(0, 0.3), 1)
        words = " ".join(dice.choices(WORDS, k=6))
        event: dict[str, object] = {
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "level": "INFO",
            "event": "node_finished",
            "message": f"{node} finished in {duration:.0f} ms, {words}",
            "service": "comfyui",
            "instance": f"gpu-{number % 3 + 1}",
            "workflow_id": f"wf-{number // 12:08x}",
            "user_id": USERS[number // 12 % len(USERS)],
            "node": node,
            "node_id": str(number % 12),
            "duration_ms": duration,
            "vram_used_mb": round(dice.uniform(2000, 23000), 1),
        }
        if number % 5 < 2:
            event["sampler"] = {"steps": dice.choice((20, 30, 45)), "cfg": 7.5}
        if number % 97 == 0:
            event |= {"level": "ERROR", "event": "node_failed", "error_type": "torch.OutOfMemoryError"}
            event["error_message"] = "CUDA out of memory. Tried to allocate 2.00 GiB"
        elif number % 20 == 0:
            event |= {"level": "WARNING", "message": f"显存不足，已切换到低显存模式（{node}），请降低分辨率或批量"}
        elif number % 4 == 0:
            event["level"] = "DEBUG"
        if number % 30_303 == 30_302:
            event["message"] = f"{event['message']} {RARE}"
        yield event


def write(path: Path, count: int, **options: object) -> Path:
    """The same as a file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in events(count, **options))  # type: ignore[arg-type]
    return path
