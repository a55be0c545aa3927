"""Surroundings that remember in memory, around a ComfyUI that tests direct."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from safelight.comfyui.client import Client
from safelight.errors import InputError
from safelight.remedies.cause import Cause
from support.comfyui import ComfyUI


class Held:
    def __init__(self):
        self.items, self.paused = {}, set()

    async def of(self, place):
        return list(self.items.get(place, {}).values())

    async def add(self, place, items):
        kept = self.items.setdefault(place, {})
        for item in items:
            kept.setdefault(item[1], item)

    async def drop(self, place, run_ids):
        for run in list(run_ids):
            self.items.get(place, {}).pop(run, None)

    async def is_paused(self, place):
        return place in self.paused

    async def pause(self, place, *, paused):
        (self.paused.add if paused else self.paused.discard)(place)


class Around:
    def __init__(self, **places):
        self.places, self.held, self.lost = places, Held(), 0
        self.resubmitted, self.started, self.ours = [], [], set()
        self.processes = self

    async def comfyui(self, where):
        url = where if where and "://" in where else self.places.get(where or "gpu-1")
        if url is None:
            raise InputError("replay.no_address", instance=where)
        return Client(url, timeout_s=5)

    async def other(self, than):
        (url,) = (url for name, url in self.places.items() if name != than)
        return url

    async def resubmit_lost(self, instance, *, to=None, gone_before):
        self.resubmitted.append((instance, to, gone_before is not None))
        return self.lost

    async def restart(self, argv, *, name, **_):
        self.started.append((tuple(argv), name))
        self.ours.add(name)
        return 4711, None

    async def is_ours(self, name):
        return name in self.ours


@pytest.fixture
async def comfyui():
    async with ComfyUI() as studio:
        yield studio


@pytest.fixture
def around(comfyui):
    return Around(**{"gpu-1": comfyui.url})


@pytest.fixture
def cause():
    labels = {"instance": "gpu-1", "service": "comfyui"}
    return lambda *runs: Cause("a1", "oom", labels, runs, datetime(2026, 11, 22, tzinfo=UTC))
