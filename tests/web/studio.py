"""The log that the pages are looked at with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

STUDIO_EVENTS = 6000
STUDIO_ERRORS = 60
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script> \u202egnp.exe'
TRACEBACK = """Traceback (most recent call last):
  File "/opt/ComfyUI/execution.py", line 496, in execute
    output_data = await get_output_data(prompt_id, unique_id, obj)
  File "/opt/ComfyUI/nodes.py", line 1571, in sample
    return common_ksampler(model, seed, steps, cfg)
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 8.00 GiB"""


def studio(now: datetime) -> Iterator[dict[str, Any]]:
    """Five hours of a small studio, oldest first: every 100th event an error, one of them hostile."""
    nodes = ("KSampler", "VAEDecode", "CLIPTextEncode", "LoadImage")
    for n in range(STUDIO_EVENTS):
        age = timedelta(hours=5) * (STUDIO_EVENTS - n) / STUDIO_EVENTS
        event: dict[str, Any] = {
            "timestamp": (now - age).isoformat(),
            "level": "DEBUG" if n % 5 == 0 else "INFO",
            "service": "studio",
            "instance": f"gpu-{n % 3 + 1}",
            "host": "render-1",
            "user_id": ("maria", "王工")[n % 2],
            "workflow_id": f"wf-{n // 50:04d}",
            "message": f"step {n} of the night 第 {n} 步",
        }
        if n % 4 == 0:
            event |= {"event": "node_finished", "node": nodes[n // 4 % 4], "duration_ms": 100.0 * (n // 4 % 4 + 1)}
            event |= {"sampler": {"steps": 30, "name": "dpmpp_2m"}}
        if n % 100 == 50:
            event |= {"level": "ERROR", "event": "node_failed", "node": "VAEDecode", "traceback": TRACEBACK}
            event |= {"message": "CUDA out of memory when decoding latent tensor"}
        if n == STUDIO_EVENTS - 7:
            event |= {"message": HOSTILE, "level": "WARNING", "odd key: <b>": HOSTILE}
        yield event
