"""Everything that happens in the studio, in the order of time, without end."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from random import Random
from typing import Final

from ..event import Name
from . import day, services
from .happening import Happening, in_order
from .job import Job, Place
from .runs import run
from .studio import BRIEF, GPU_3, INSTANCES, TOM, USERS, Instance, User
from .troubles import CHANCES, Trouble
from .workflows import PRODUCT, Workflow

STEP_S: Final = 10.0
"""Users decide every so often."""
SENDING_S: Final = 0.15
"""Between two runs of a batch."""
OPENING_S: Final = 1.5
"""How long after the demo is opened Tom asks for four product shots at once on the small card."""
RESERVED_S: Final = 300.0
"""The small card takes nothing else for so long before: whoever looks first is not kept waiting for the alert."""
SAMPLED_EVERY_S: Final = 300.0


def life(seed: int, start: float, now: float) -> Iterator[Happening]:
    """What happens from `start` on, in a studio whose demo is opened at `now`. The same seed gives the same life."""

    def own(name: str) -> Random:
        return Random(f"{seed}/{name}")  # noqa: S311 - a simulation, and one that can be repeated

    return merge(
        in_order(_comfyui(own("comfyui"), start, now)),
        in_order(services.idphoto(own("idphoto"), start, now)),
        in_order(services.ddcolor(own("ddcolor"), start, now)),
        key=lambda happening: happening.at,
    )


def _comfyui(rng: Random, start: float, now: float) -> Iterator[list[Happening]]:
    """The runs. An instance does one at a time, and remembers the models of the last."""
    free = dict.fromkeys(INSTANCES, start)
    loaded: dict[str, tuple[Workflow, int]] = {}
    sampled = dict.fromkeys(INSTANCES, start)
    waiting: dict[str, list[float]] = {name: [] for name in INSTANCES}
    for job in _jobs(rng, start, now):
        instance = _where(rng, job, free, loaded, now)
        begin = max(job.at + 0.02, free[instance.name])
        if begin - job.at > job.user.patience_s:
            continue
        queue = waiting[instance.name] = [end for end in waiting[instance.name] if end > job.at]
        warm = loaded.get(instance.name) == (job.workflow, job.batch)
        place = Place(instance, begin, warm, day.heat(instance, begin), len(queue) + 1)
        story = list(run(rng, job, place))
        end = story[-1]
        if end.name != Name.RUN_REJECTED:
            free[instance.name] = end.at + 0.05
            queue.append(end.at)
            loaded[instance.name] = (job.workflow, job.batch)
            if end.fields.get("error_type") == "torch.OutOfMemoryError":
                del loaded[instance.name]  # ComfyUI has unloaded all models
            if end.at - sampled[instance.name] > SAMPLED_EVERY_S:
                sampled[instance.name] = end.at
                story.append(_sample(rng, instance, end))
        yield story


def _where(
    rng: Random, job: Job, free: dict[str, float], loaded: dict[str, tuple[Workflow, int]], now: float
) -> Instance:
    """The instance that can begin first; of several, one that has the models."""
    if job.user is TOM and job.at == now + OPENING_S:
        return GPU_3
    names = job.workflow.instances
    if now - RESERVED_S < job.at <= now + OPENING_S:
        names = tuple(name for name in names if name != GPU_3.name)
    wanted = (job.workflow, job.batch)
    return INSTANCES[min(names, key=lambda name: (max(free[name], job.at), loaded.get(name) != wanted, rng.random()))]


def _jobs(rng: Random, start: float, now: float) -> Iterator[Job]:
    """What the users ask for, by time."""
    at = start
    opening = now + OPENING_S
    while True:
        step = [opening_job(rng, opening)] if at <= opening < at + STEP_S else []
        for user in USERS:
            if rng.random() < day.per_hour(user, at, now) * STEP_S / 3600:
                asked = at + rng.uniform(0, STEP_S - user.jobs * SENDING_S)
                workflow = rng.choices(list(user.workflows), list(user.workflows.values()))[0]
                step += [_job(rng, user, workflow, asked + number * SENDING_S, now) for number in range(user.jobs)]
        yield from sorted(step, key=lambda job: job.at)
        at += STEP_S


def opening_job(rng: Random, at: float) -> Job:
    """Too many images for a 12 GB card: what the first alert will be about."""
    return Job(at, TOM, PRODUCT, rng.choice(TOM.prompts), "teapot.png", batch=4)


def _job(rng: Random, user: User, workflow: Workflow, at: float, now: float) -> Job:
    prompt = rng.choice(user.prompts)
    if day.writes_long(user, at, now) and rng.random() < 0.8:
        prompt = "\n".join([prompt, *(rng.sample(BRIEF, len(BRIEF)) * 3)])
    photo = f"upload_{rng.randrange(10_000):04d}.png"
    batch = 4 if workflow.takes_batch and rng.random() < user.batch else 1
    return Job(at, user, workflow, prompt, photo, batch, _trouble(rng, user, workflow))


def _trouble(rng: Random, user: User, workflow: Workflow) -> Trouble | None:
    if user.jobs > 1:
        return None  # what the program sends has been tried
    for trouble, chance in CHANCES:
        if workflow.uses(trouble.node) and rng.random() < chance:
            return trouble
    return None


def _sample(rng: Random, instance: Instance, end: Happening) -> Happening:
    """How the card is after a run."""
    hot = day.heat(instance, end.at) > 1
    temperature = rng.randrange(87, 92) if hot else rng.randrange(61, 78)
    clock = rng.randrange(1005, 1200, 15) if hot else rng.randrange(1740, 1965, 15)
    said = f"GPU 0 at {temperature} °C, {clock} MHz"
    fields = {
        "service": "comfyui",
        "instance": instance.name,
        "host": instance.host,
        "message": f"{said}: throttled, HW thermal slowdown active" if hot else said,
        "gpu": instance.gpu,
        "gpu_temperature_celsius": temperature,
        "gpu_clock_mhz": clock,
        "gpu_power_watts": rng.randrange(190, 230) if hot else rng.randrange(240, 330),
        "gpu_utilization_ratio": round(rng.uniform(0.9, 1), 2),
        "vram_total_mb": instance.total_mb,
        "vram_used_mb": end.fields["vram_peak_mb"],
    }
    if hot:
        fields["throttle_reason"] = "hw_thermal_slowdown"
    return Happening(end.at + 0.5, Name.RESOURCES_SAMPLED, "WARNING" if hot else "INFO", fields)
