"""Lines for comparing collectors: some 360 bytes each, 40 % DEBUG, four forms of time, 25 % with something to redact,
20 % with fields of their own, 0.2 % that are no JSON. Deterministic by seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 21, tzinfo=UTC)
SETTINGS = "cfg 7.5, sampler euler ancestral, scheduler karras, denoise 1.00"
SECRETS = (
    "read /home/lin/models/sdxl/base.safetensors",
    "client 192.168.1.{} asked again",
    "uploading with token=hf_abcdefghijklmnopqrstuvwxyz{:04d}",
)
FORMS = (
    lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    lambda at: at.strftime("%Y-%m-%d %H:%M:%S,") + f"{at.microsecond // 1000:03d}",
    lambda at: round(at.timestamp(), 3),
    lambda at: int(at.timestamp() * 1000),
)
LEVELS = ("DEBUG",) * 8 + ("INFO",) * 9 + ("WARNING",) * 2 + ("ERROR",)


def lines(count: int, *, seed: int = 7) -> Iterator[str]:
    """`count` lines in the order of their time, without line ends."""
    dice = random.Random(seed)
    for number in range(count):
        if number % 500 == 499:
            yield f'{{"timestamp": "2026-11-21T10:00:00Z", "level": "INFO", "message": "cut off number {number}'
            continue
        text = f"step {number % 30} of 30 on latent {number % 512}x{number % 768}, {SETTINGS}"
        if number % 4 == 0:
            text += "; " + SECRETS[number // 4 % 3].format(number % 255)
        event = {
            "timestamp": FORMS[number % 4](START + timedelta(milliseconds=number * 80)),
            "level": dice.choice(LEVELS),
            "message": text,
            "service": "comfyui",
            "instance": f"gpu-{number % 3}",
            "workflow_id": f"wf-{number // 40:08x}",
            "node": ("KSampler", "VAEDecode", "CLIPTextEncode")[number % 3],
            "node_id": str(number % 17),
            "duration_ms": round(dice.uniform(1, 9000), 2),
            "vram_used_mb": round(dice.uniform(2000, 23000), 1),
        }
        if number % 5 == 0:
            event["sampler"] = {"name": "euler_ancestral", "steps": 30, "seed": dice.getrandbits(48)}
        yield json.dumps(event)


def write(path: Path, count: int) -> Path:
    """The same as a file."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines(count))
    return path
