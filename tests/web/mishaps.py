"""Three weeks of things going wrong: what the Errors pages are looked at with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from safelight.batch import Batch
from safelight.processors.fingerprint import fingerprint
from safelight.store.segments import SegmentStore

HOSTILE = '<img src=x onerror="window.hacked=1"> \u202egnp.exe'
UNKNOWN = "ValueError:MaskGrow:mask must be of <n> x <n>"
MASK = """Traceback (most recent call last):
  File "/srv/ComfyUI/execution.py", line 496, in execute
    output_data = await get_output_data(prompt_id, unique_id, obj)
  File "/srv/ComfyUI/custom_nodes/was-node-suite/masks.py", line 212, in grow
    raise ValueError(f"mask must be of {width} x {height}")
ValueError: mask must be of 512 x 512"""
DECODE = """Traceback (most recent call last):
  File "/srv/ComfyUI/execution.py", line 496, in execute
    output_data = await get_output_data(prompt_id, unique_id, obj)
  File "/srv/ComfyUI/nodes.py", line 295, in decode
    images = vae.decode(samples["samples"])
torch.OutOfMemoryError: Allocation on device 0 would exceed allowed memory. (out of memory)"""
MODEL = "Value not in list: ckpt_name: 'portrait-film-xl.safetensors' not in (list of length 12)"


def mishaps(now: datetime) -> Iterator[dict[str, Any]]:
    """The events, of eight causes."""
    comfyui = {"service": "comfyui", "level": "ERROR", "event": "node_failed"}
    for n in range(46):
        at = {"timestamp": now - timedelta(hours=0.2 + n * n / 14), "instance": f"gpu-{n % 2 + 1}"}
        run = {"workflow_id": f"decode-{n:03d}", "node": "VAEDecode", "node_id": "8"}
        said = {
            "error_type": "torch.OutOfMemoryError",
            "error_message": DECODE.split("Error: ")[1],
            "traceback": DECODE,
        }
        yield {**comfyui, **at, **run, **said, "user_id": ("maria", "王工", "lin.wei")[n % 3]}
    for n in range(9):
        at = {"timestamp": now - timedelta(hours=3 + 11 * n), "instance": "gpu-1", "workflow_id": f"mask-{n}"}
        said = {"error_type": "ValueError", "error_message": f"mask must be of {512 + n} x 512", "traceback": MASK}
        yield {**comfyui, **at, **said, "node": "MaskGrow", "node_id": "12", "user_id": "maria"}
    for n in range(14):
        at = {"timestamp": now - timedelta(hours=26 + 0.4 * n), "instance": "gpu-2", "workflow_id": f"refused-{n}"}
        said = {"error_type": "prompt_outputs_failed_validation", "error_message": MODEL}
        yield {**comfyui, **at, **said, "event": "run_rejected", "node": "CheckpointLoaderSimple", "node_id": "4"}
    full = {"error_type": "OSError", "error_message": "[Errno 28] No space left on device", "instance": "gpu-1"}
    for hours in (0.1, 0.3, 12 * 24):
        yield {**comfyui, **full, "timestamp": now - timedelta(hours=hours), "node": "SaveImage", "node_id": "9"}
    for n in range(31):
        said = {"error_type": "ValueError", "message": "Failed to decode image: invalid file header"}
        at = {"timestamp": now - timedelta(hours=5 * n + 1), "service": "photo-restore", "instance": "ddcolor-1"}
        yield {**at, **said, "error_message": said["message"], "level": "ERROR", "event": "processing_failed"}
    yield {"timestamp": now - timedelta(hours=40), "service": "odd", "level": "ERROR", "message": HOSTILE}
    own = {"service": "safelight", "level": "ERROR", "event": "task_failed", "message": "The queue watcher stopped."}
    yield {**own, "timestamp": now - timedelta(hours=50)}
    labels = {"service": "comfyui", "error_group": "gpu_oom:VAEDecode"}
    told = {"alert": "a1b2c3", "rule": "gpu-out-of-memory", "count": 3, "labels": labels}
    yield {
        "timestamp": now - timedelta(hours=0.1), "service": "safelight", "event": "alert_fired", "level": "WARNING",
        "message": "GPU memory ran out", "attributes": json.dumps(told),
    }  # fmt: skip
    yield {"timestamp": now - timedelta(days=21), "service": "comfyui", "level": "INFO", "message": "To see the GUI"}


def fill(data: Path, now: datetime | None = None) -> None:
    """Put them into a data directory."""
    told = sorted(mishaps(now or datetime.now(UTC)), key=lambda event: event["timestamp"])
    rows = [{"id": f"mishap-{n:04d}", "attributes": "{}", **event} for n, event in enumerate(told)]
    with SegmentStore.open(data) as store:
        store.append(fingerprint(Batch.of(rows)))
