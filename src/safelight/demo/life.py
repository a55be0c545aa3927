"""Everything that happens in the studio, in the order of time, without end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from random import Random
from typing import Final

from ..event import Name
from . import day, services
from .cards import with_readings
from .documents import Told
from .happening import Happening, in_order
from .job import Job, Place
from .runs import run
from .studio import BRIEF, GPU_3, INSTANCES, TOM, USERS, Instance, User
from .troubles import CHANCES, KILLED, Trouble
from .workflows import PRODUCT, UPSCALE, Workflow

SEED_BITS: Final = 50
STEP_S: Final = 10.0
"""Users decide every so often."""
SENDING_S: Final = 0.15
"""Between two runs of a batch."""
OPENING_S: Final = 1.5
"""How long after the demo is opened Tom asks for four product shots at once on the small card."""
RESERVED_S: Final = 300.0
"""The small card takes nothing else for so long before: whoever looks first is not kept waiting for the alert."""
CLOSELY_S: Final = 300.0
"""Runs that began so long before the demo was opened, and later ones, are told in every reading."""
AGAIN_S: Final = 1800.0
"""What was asked for longer before was one of VARIANTS: every prompt is kept in a file that is made durable, some
milliseconds each, and a day of different ones would make the opening of the demo slow."""
VARIANTS: Final = 6


def life(seed: int, start: float, now: float) -> Iterator[Happening]:
    """What happens from `start` on, in a studio whose demo is opened at `now`. The same seed gives the same life."""

    def own(name: str) -> Random:
        return Random(f"{seed}/{name}")  # noqa: S311 - a simulation, and one that can be repeated

    return merge(
        with_readings(own("cards"), in_order(_comfyui(own("comfyui"), start, now)), start, now),
        in_order(services.idphoto(own("idphoto"), start, now)),
        in_order(services.ddcolor(own("ddcolor"), start, now)),
        key=lambda happening: happening.at,
    )


def _comfyui(rng: Random, start: float, now: float) -> Iterator[list[Happening]]:
    """The runs. An instance does one at a time, and remembers the models of the last."""
    free = dict.fromkeys(INSTANCES, start)
    loaded: dict[str, tuple[Workflow, int]] = {}
    told = Told()
    numbers = dict.fromkeys(INSTANCES, 0)
    waiting: dict[str, list[float]] = {name: [] for name in INSTANCES}
    for job in _jobs(rng, start, now):
        instance = _where(rng, job, free, loaded, now)
        begin = max(job.at + 0.02, free[instance.name])
        if begin - job.at > job.user.patience_s:
            continue
        queue = waiting[instance.name] = [end for end in waiting[instance.name] if end > job.at]
        warm = loaded.get(instance.name) == (job.workflow, job.batch)
        numbers[instance.name] += 1
        number, closely = numbers[instance.name], begin > now - CLOSELY_S
        place = Place(instance, begin, warm, day.heat(instance, begin), len(queue) + 1, number, closely)
        story = told.without_known(run(rng, job, place))
        end = story[-1]
        if end.name != Name.RUN_REJECTED:
            free[instance.name] = end.at + 0.05
            queue.append(end.at)
            loaded[instance.name] = (job.workflow, job.batch)
            if end.fields.get("error_type") == "torch.OutOfMemoryError" or end.name == Name.RUN_LOST:
                del loaded[instance.name]  # ComfyUI has unloaded all models, or was started anew
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
    killed_in: int | None = None
    while True:
        step = [opening_job(rng, opening)] if at <= opening < at + STEP_S else []
        for user in USERS:
            if rng.random() < day.per_hour(user, at, now) * STEP_S / 3600:
                asked = at + rng.uniform(0, STEP_S - user.jobs * SENDING_S)
                workflow = rng.choices(list(user.workflows), list(user.workflows.values()))[0]
                step += [_job(rng, user, workflow, asked + number * SENDING_S, now) for number in range(user.jobs)]
        tonight = day.night(at)
        if tonight is not None and tonight != killed_in:
            killed_in = tonight if _kill_one(step) else killed_in
        yield from sorted(step, key=lambda job: job.at)
        at += STEP_S


def _kill_one(jobs: list[Job]) -> bool:
    """Let ComfyUI be killed in one of these, if there is one that takes so much: it happens once a night."""
    for number, job in enumerate(jobs):
        if job.workflow is UPSCALE and job.user.jobs > 1:
            jobs[number] = replace(job, trouble=KILLED)
            return True
    return False


def opening_job(rng: Random, at: float) -> Job:
    """Too many images for a 12 GB card: what the first alert will be about."""
    return Job(at, TOM, PRODUCT, rng.choice(TOM.prompts), "teapot.png", rng.getrandbits(SEED_BITS), batch=4)


def _job(rng: Random, user: User, workflow: Workflow, at: float, now: float) -> Job:
    is_long = day.writes_long(user, at, now) and rng.random() < 0.8
    batch = 4 if workflow.takes_batch and rng.random() < user.batch else 1
    trouble = _trouble(rng, user, workflow)
    variant = Random(f"{user.id}/{rng.randrange(VARIANTS)}") if at < now - AGAIN_S else rng  # noqa: S311 - see life
    prompt = variant.choice(user.prompts)
    if is_long:
        prompt = "\n".join([prompt, *(variant.sample(BRIEF, len(BRIEF)) * 3)])
    photo = f"upload_{variant.randrange(10_000):04d}.png"
    return Job(at, user, workflow, prompt, photo, variant.getrandbits(SEED_BITS), batch, trouble)


def _trouble(rng: Random, user: User, workflow: Workflow) -> Trouble | None:
    if user.jobs > 1:
        return None  # what the program sends has been tried
    for trouble, chance in CHANCES:
        if workflow.uses(trouble.node) and rng.random() < chance:
            return trouble
    return None
