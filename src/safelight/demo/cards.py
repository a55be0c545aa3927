"""The cards as a GPU source beside each ComfyUI reads them, whatever runs on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from ..event import RUN_ENDED, Name
from . import day
from .happening import Happening
from .memory import CONTEXT_MB
from .studio import INSTANCES, Instance

EVERY_S: Final = 10.0
PAST_EVERY_S: Final = 300.0
"""Of the day before the demo was opened."""
IDLE_WATTS: Final = 0.08
"""Of the power limit."""
FREED: Final = frozenset({"torch.OutOfMemoryError"})
"""After which ComfyUI unloads its models."""


@dataclass(slots=True)
class _State:
    used_mb: float = CONTEXT_MB
    running: bool = False


def with_readings(rng: Random, happenings: Iterable[Happening], start: float, now: float) -> Iterator[Happening]:
    """The happenings of all instances, and in between how their cards were, by what had happened until then."""
    states = {name: _State() for name in INSTANCES}
    due = _after(start, now)
    for happening in happenings:
        while due <= happening.at:
            for name, instance in INSTANCES.items():
                yield _reading(rng, due, instance, states[name])
            due = _after(due, now)
        _note(states[happening.fields["instance"]], happening)
        yield happening


def _after(moment: float, now: float) -> float:
    """When the next reading is due."""
    return moment + (EVERY_S if moment >= now else min(PAST_EVERY_S, max(EVERY_S, now - moment)))


def _note(state: _State, happening: Happening) -> None:
    if happening.name == Name.RUN_STARTED:
        state.running = True
    if happening.name in RUN_ENDED:
        state.running = False
        if happening.name == Name.RUN_LOST or happening.fields.get("error_type") in FREED:
            state.used_mb = CONTEXT_MB
    elif "vram_used_mb" in happening.fields:
        state.used_mb = happening.fields["vram_used_mb"]


def _reading(rng: Random, at: float, instance: Instance, state: _State) -> Happening:
    hot = state.running and day.heat(instance, at) > 1
    busy = state.running
    used = round(state.used_mb, 1)
    gpu: dict[str, Any] = {
        "index": 0,
        "uuid": f"GPU-5a11d16e-0000-4000-8000-00000000{instance.name[-1]:0>4}",
        "name": instance.gpu,
        "vendor": "nvidia",
        "driver": "570.133",
        "vram_total_mb": instance.total_mb,
        "vram_used_mb": used,
        "utilization_percent": rng.randrange(88, 100) if busy else rng.randrange(3),
        "temperature_c": rng.randrange(87, 92) if hot else rng.randrange(61, 78) if busy else rng.randrange(38, 46),
        "power_w": round(
            instance.watts * (rng.uniform(0.6, 0.7) if hot else rng.uniform(0.75, 0.98) if busy else IDLE_WATTS)
        ),
        "power_limit_w": instance.watts,
        "clock_mhz": rng.randrange(1005, 1200, 15) if hot else rng.randrange(1740, 1965, 15) if busy else 210,
        "throttled": ["hw_thermal"] if hot else [],
        "processes": [{"pid": instance.pid, "name": "python", "vram_mb": used, "user": "studio"}],
        "others_mb": 0.0,
    }
    where = {"service": "safelight", "instance": instance.name, "host": instance.host}
    said = f"GPU 0 ({instance.gpu}): {used:,.0f} of {instance.total_mb:,} MB, {gpu['utilization_percent']} %"
    said += f", {gpu['temperature_c']} °C, {gpu['clock_mhz']} MHz{', throttled: hw_thermal' if hot else ''}"
    fields = {**where, "message": said, "vram_used_mb": used, "gpu": gpu}
    return Happening(at, Name.RESOURCES_SAMPLED, "DEBUG", fields)
