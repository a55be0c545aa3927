"""The two nodes of the pack: a health check before the expensive part of a graph, and a mark in the log.

Both hand through whatever they are given, and run each time: their value is what they see, not what they return.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
from time import monotonic

from .document import hide
from .memory import MB, Memory, system_ram_mb
from .run import current
from .safelight_emit.emit import append

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CATEGORY = "Safelight"
POLL = 0.5  # seconds between two looks while waiting
LONGEST = 3_600  # seconds
GB = 1_024  # MB
MOST = 100_000.0  # GB that a threshold may ask for
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OURS = re.compile(
    r"(?:run|node)_.*|"
    r"agent_started|agent_stopped|alert_acknowledged|alert_fired|alert_resolved|buffer_damaged|channel_disabled"
    r"|channel_enabled|config_left_out|container_exited|dead_lettered|digest_sent|events_dropped|health_checked"
    r"|hook_unavailable|image_processed|image_uploaded|instance_recovered|instance_restarted|instance_started"
    r"|instance_unreachable|log|metric_sampled|model_loaded|model_unloaded|notification_failed|notification_sent"
    r"|oom_killed|output_saved|probe_checked|probe_failed|probe_recovered|processing_failed|remedy_failed"
    r"|remedy_finished|remedy_started|resources_sampled|retention_applied|rule_changed|rule_failed|segment_damaged"
    r"|server_started|server_stopped|silence_added|silence_removed|sink_failed|sink_recovered|source_failed"
    r"|span_finished|task_failed|upkeep_failed|worker_dead"
)
_TEXT = 1_000  # characters


class AnyType(str):
    """A socket type that fits every other: ComfyUI compares types by `!=`."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


ANY = AnyType("*")


class SafelightHealthCheck:
    """Looks at free memory and disk, and lets the graph go on, wait or stop."""

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Checks free GPU memory, RAM and disk space before the graph goes on. "
        "Too little of any: warn, wait until there is enough, or stop the run."
    )
    FUNCTION = "check"
    RETURN_TYPES = (ANY,)
    RETURN_NAMES = ("anything",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What the node asks for."""
        return {
            "required": {
                "anything": (ANY, {"tooltip": "Handed through unchanged."}),
                "free_gpu_gb": _least(0.0, "GPU memory that must be free, in GB. 0: not checked."),
                "free_ram_gb": _least(0.0, "RAM that must be free, in GB. 0: not checked."),
                "free_disk_gb": _least(
                    1.0, "Space that must be free on the disk of the output folder, in GB. 0: not checked."
                ),
                "on_breach": (
                    ["warn", "wait", "stop"],
                    {
                        "tooltip": "warn writes it to Safelight and goes on, "
                        "wait looks again until there is enough and stops when it takes too long, stop ends the run."
                    },
                ),
                "wait_s": (
                    "INT",
                    {"default": 60, "min": 1, "max": LONGEST, "tooltip": "The longest wait, in seconds."},
                ),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:  # noqa: N802 - ComfyUI's name
        """NaN, which equals nothing: the node runs each time."""
        return float("nan")

    @classmethod
    def VALIDATE_INPUTS(  # noqa: N802 - ComfyUI's name
        cls, free_gpu_gb: float | None = None, free_ram_gb: float | None = None, free_disk_gb: float | None = None
    ) -> bool | str:
        """True, or what is wrong with a threshold; None is one that comes over a link, and is not known yet.

        Of inputs that are named here ComfyUI leaves their bounds to us.
        """
        for name, least in (("free_gpu_gb", free_gpu_gb), ("free_ram_gb", free_ram_gb), ("free_disk_gb", free_disk_gb)):
            if least is None:
                continue
            if math.isnan(least):
                return f"{name} is no number"
            if not 0 <= least <= MOST:
                return f"{name} is {least:g}, and must be between 0 and {MOST:.0f}"
        return True

    def check(
        self,
        anything: Any,
        free_gpu_gb: float,
        free_ram_gb: float,
        free_disk_gb: float,
        on_breach: str,
        wait_s: int,
        node_id: str | None = None,
    ) -> tuple[Any]:
        """Looks, and if need be waits.

        Raises:
            RuntimeError: too little is free, and the run is to stop.
            ValueError: a threshold came over a link and is no number.
        """
        for name, gb in (("free_gpu_gb", free_gpu_gb), ("free_ram_gb", free_ram_gb), ("free_disk_gb", free_disk_gb)):
            if math.isnan(gb):
                message = f"{name} is no number"
                raise ValueError(message)
        least = {"vram": free_gpu_gb * GB, "ram": free_ram_gb * GB, "disk": free_disk_gb * GB}
        free, breaches = look(least)
        outcome, began = "ok", monotonic()
        if breaches:
            outcome = {"wait": "waited", "stop": "stopped"}.get(on_breach, "warned")
            while on_breach == "wait" and breaches and monotonic() - began < min(wait_s, LONGEST):
                throw_if_interrupted()
                threading.Event().wait(POLL)
                free, breaches = look(least)
            if on_breach == "wait" and breaches:
                outcome = "stopped"
        fields: dict[str, Any] = {"outcome": outcome, **free, "breaches": breaches}
        if outcome in {"waited", "stopped"}:
            fields["waited_ms"] = round((monotonic() - began) * 1000)
        if free_gpu_gb and free["free_vram_mb"] is None:
            fields["note"] = "no GPU here whose memory could be checked"
        tell("health_checked", "INFO" if outcome == "ok" else "WARNING", fields, "SafelightHealthCheck", node_id)
        if outcome == "stopped":
            message = f"Safelight stopped the run: {'; '.join(breaches)}"
            raise RuntimeError(message)
        return (anything,)


class SafelightMark:
    """Writes an event with a name of the user's."""

    CATEGORY = CATEGORY
    DESCRIPTION = (
        "Writes an event of your own name to Safelight when the graph comes by here, to search, count or alert on."
    )
    FUNCTION = "mark"
    OUTPUT_NODE = True  # so that it also runs at the end of a graph, where nothing asks for it
    RETURN_TYPES = (ANY,)
    RETURN_NAMES = ("anything",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What the node asks for."""
        return {
            "required": {
                "anything": (ANY, {"tooltip": "Handed through unchanged."}),
                "name": (
                    "STRING",
                    {
                        "default": "my_mark",
                        "tooltip": "The event's name: small letters, digits and _, beginning with a letter.",
                    },
                ),
            },
            "optional": {
                "text": ("STRING", {"default": "", "multiline": True, "tooltip": "A remark to go with it."}),
            },
            "hidden": {"node_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, **_: Any) -> float:  # noqa: N802 - ComfyUI's name
        """NaN, which equals nothing: the node runs each time."""
        return float("nan")

    @classmethod
    def VALIDATE_INPUTS(cls, name: str | None = None) -> bool | str:  # noqa: N802 - ComfyUI's name
        """True, or what is wrong with the name; None is a name that comes over a link, and is not known yet."""
        return True if name is None else mark_problem(name) or True

    def mark(self, anything: Any, name: str, text: str = "", node_id: str | None = None) -> tuple[Any]:
        """Writes the event.

        Raises:
            ValueError: the name came over a link and is none.
        """
        if problem := mark_problem(name):
            raise ValueError(problem)
        tell(name, "INFO", {"text": hide(text[:_TEXT])} if text else {}, "SafelightMark", node_id)
        return (anything,)


NODE_CLASS_MAPPINGS = {"SafelightHealthCheck": SafelightHealthCheck, "SafelightMark": SafelightMark}
NODE_DISPLAY_NAME_MAPPINGS = {"SafelightHealthCheck": "Safelight health check", "SafelightMark": "Safelight mark"}

_memory = Memory()


def _least(default: float, tooltip: str) -> tuple[str, dict[str, Any]]:
    return ("FLOAT", {"default": default, "min": 0.0, "max": MOST, "step": 0.5, "tooltip": tooltip})


def look(least: dict[str, float], memory: Memory | None = None) -> tuple[dict[str, float | None], list[str]]:
    """What is free, in MB, and a sentence for each kind of `least` ("vram", "ram", "disk", in MB) of which too little
    is. What cannot be known is None, and no breach.
    """
    reading = (memory or _memory).read()
    vram = None
    if reading.device_total_mb is not None and reading.device_used_mb is not None:
        # What torch has reserved and not given out is free for the next node.
        spare = (reading.torch_reserved_mb or 0.0) - (reading.torch_allocated_mb or 0.0)
        vram = round(reading.device_total_mb - reading.device_used_mb + spare, 1)
    free = {"free_vram_mb": vram, "free_ram_mb": system_ram_mb()[1], "free_disk_mb": free_disk_mb()}
    names = {"vram": "GPU memory", "ram": "RAM", "disk": "disk space"}
    breaches = []
    for kind, wanted in least.items():
        there = free[f"free_{kind}_mb"]
        if wanted and there is not None and there < wanted:
            breaches.append(f"{there / GB:.1f} GB of {names[kind]} free, {wanted / GB:g} GB wanted")
    return free, breaches


def free_disk_mb() -> float | None:
    """Free space where ComfyUI saves its output."""
    import shutil  # noqa: PLC0415 - 5 ms, wanted only by a health check

    folders: Any = sys.modules.get("folder_paths")
    try:
        return round(shutil.disk_usage(folders.get_output_directory() if folders else os.getcwd()).free / MB, 1)
    except OSError:
        return None


def throw_if_interrupted() -> None:
    """Ends the wait when the user has pressed stop, as ComfyUI's own nodes do."""
    manager: Any = sys.modules.get("comfy.model_management")
    throw: Callable[[], None] | None = getattr(manager, "throw_exception_if_processing_interrupted", None)
    if throw is not None:
        throw()


def mark_problem(name: object) -> str | None:
    """What is wrong with the name of a mark; None if nothing is."""
    shown = repr(str(name)[:80])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"{shown} is no name for an event: use small letters, digits and _, a letter first, 64 of them at most"
    if _OURS.fullmatch(name):
        return f"{shown} has a meaning in Safelight already: choose another name"
    return None


def tell(event: str, level: str, fields: dict[str, Any], node: str, node_id: str | None) -> None:
    """Appends an event of a node, with the run it is part of."""
    here = current()
    if here is not None:
        fields["workflow_id"] = here[0]
    fields["node"] = node
    if node_id is not None:
        fields["node_id"] = str(node_id)
    append(event, level, fields)
