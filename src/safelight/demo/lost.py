"""ComfyUI's process is killed in the middle of a run: what the host sees, and what is told of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final

from ..event import Name
from .happening import Happening
from .memory import RAM_TOTAL_MB
from .studio import Instance

NOTICED_S: Final = (2.0, 10.0)
"""How long after the kill the host's counter is looked at."""
GIVEN_UP_S: Final = 12.0
"""How much later the run is given up: by then its process is known to be gone."""
RESTARTED_S: Final = 9.0
"""What a supervisor and ComfyUI's start take."""
VERSIONS: Final = {"comfyui_version": "0.3.64", "python_version": "3.12.7", "torch_version": "2.8.0+cu128"}


def lost(
    rng: Random, instance: Instance, common: Mapping[str, Any], who: Mapping[str, Any], at: float, vram_mb: float
) -> Iterator[Happening]:
    """The kill, the new process, the end of the run; the last one is the end."""
    held = round(RAM_TOTAL_MB * 0.86)
    said = f"The kernel killed python (pid {instance.pid}) for lack of memory, which held {held:,} MB"
    noticed = at + rng.uniform(*NOTICED_S)
    where = {"instance": instance.name, "host": instance.host}
    kill = {"message": said, "error_type": "OOMKilled", "error_message": said, "ram_used_mb": held}
    process = {"pid": instance.pid, "process": "python", "group_was_full": False}
    yield Happening(noticed, Name.OOM_KILLED, "ERROR", {"service": "safelight", **where, **kill, **process})
    started = {
        **VERSIONS,
        "message": f"ComfyUI {VERSIONS['comfyui_version']} started",
        "device": f"cuda:0 {instance.gpu}",
        "vram_total_mb": instance.total_mb,
    }
    new = {"service": "comfyui", **where, **started}
    yield Happening(noticed + RESTARTED_S, Name.INSTANCE_STARTED, "INFO", new)
    end = {
        **common,
        **who,
        "message": f"{common['workflow_name']} was lost: its process was killed while {who['node']} ran",
        "was": "running",
        "proof": "oom_killed",
        "vram_used_mb": round(vram_mb),
        "ram_used_mb": held,
    }
    yield Happening(noticed + GIVEN_UP_S, Name.RUN_LOST, "ERROR", end)
