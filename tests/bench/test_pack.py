"""What the node pack costs a real ComfyUI: worker CPU a node, with the hooks and without, in turns in one process."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from safelight.comfyui.install import install
from support.comfyui_real import PYTHON, ComfyUI, needs_comfyui, start, workflow

pytestmark = [pytest.mark.bench, needs_comfyui, pytest.mark.timeout(900)]

RUNS = 25  # of each kind
NODES = 200

METER = '''
"""The CPU time of the worker between taking a prompt and being done with it; and a switch for the hooks."""

import sys
import time

import execution
from aiohttp import web
from server import PromptServer

runs, began = [], {}
get, done = execution.PromptQueue.get, execution.PromptQueue.task_done


def measured_get(self, *args, **kwargs):
    item = get(self, *args, **kwargs)
    began["cpu"], began["wall"] = time.thread_time_ns(), time.perf_counter_ns()
    return item


def measured_done(self, *args, **kwargs):
    runs.append([time.thread_time_ns() - began["cpu"], time.perf_counter_ns() - began["wall"]])
    return done(self, *args, **kwargs)


execution.PromptQueue.get, execution.PromptQueue.task_done = measured_get, measured_done


@PromptServer.instance.routes.post("/meter/{state}")
async def switch(request):
    hooks = execution._safelight_pack.hooks
    if request.match_info["state"] == "on":
        return web.json_response(hooks.install()[0])
    return web.json_response(hooks.remove())


@PromptServer.instance.routes.get("/meter")
async def read(request):
    return web.json_response(runs)


NODE_CLASS_MAPPINGS = {}
'''


LOADING = """
import asyncio, hashlib, inspect, json, logging, pathlib, re, socket, struct, threading, traceback, uuid, zlib
import importlib.util, sys, time
path = sys.argv[1]
wall, cpu = time.perf_counter(), time.process_time()
spec = importlib.util.spec_from_file_location("loaded_pack", path + "/__init__.py")
module = importlib.util.module_from_spec(spec)
sys.modules["loaded_pack"] = module
spec.loader.exec_module(module)
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def test_how_long_comfyui_waits_for_the_pack_to_load(tmp_path: Path):
    (tmp_path / "custom_nodes").mkdir()
    folder = install(tmp_path / "custom_nodes", "0", spool=str(tmp_path / "spool"))
    said = []
    for _ in range(11):
        done = subprocess.run(
            [PYTHON, "-c", LOADING, str(folder)], capture_output=True, text=True, check=True, timeout=60
        )
        said.append([float(word) * 1e3 for word in done.stdout.split()])
    wall, cpu = (statistics.median(column) for column in zip(*said[1:], strict=True))  # the first compiles
    print(f"\nloading the pack: {wall:.0f} ms, {cpu:.0f} ms of CPU (median of 10)")


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[ComfyUI]:
    with start(tmp_path / "comfyui", {"meter": METER}) as comfyui:
        yield comfyui


def cost(comfyui: ComfyUI, salt: int) -> tuple[float, float]:
    """µs of the worker's CPU and of time that a node of a run takes."""
    before = len(httpx.get(f"{comfyui.url}/meter").json())
    prompt = workflow("many-nodes-flat", salt)
    assert len(prompt) == NODES
    answer = httpx.post(f"{comfyui.url}/prompt", json={"prompt": prompt}, timeout=60)
    answer.raise_for_status()
    while len(runs := httpx.get(f"{comfyui.url}/meter").json()) == before:
        pass
    cpu, wall = runs[-1]
    return cpu / NODES / 1e3, wall / NODES / 1e3


def test_the_worker_time_of_a_node_with_and_without_hooks(comfyui: ComfyUI):
    with_hooks, without = [], []
    for round_ in range(RUNS + 2):
        assert httpx.post(f"{comfyui.url}/meter/off").json() is True
        plain = cost(comfyui, 2 * round_ + 1)
        assert "node" in httpx.post(f"{comfyui.url}/meter/on").json()
        hooked = cost(comfyui, 2 * round_ + 2)
        if round_ >= 2:  # the first ones warm up
            without.append(plain)
            with_hooks.append(hooked)
    for name, column in (("CPU of the worker", 0), ("wall time", 1)):
        paired = [ours[column] - theirs[column] for ours, theirs in zip(with_hooks, without, strict=True)]
        print(
            f"\n{name}: {statistics.median(row[column] for row in without):.0f} µs a node without, "
            f"{statistics.median(paired):+.1f} µs with hooks (median of {RUNS} pairs; quartiles "
            f"{', '.join(f'{quarter:+.1f}' for quarter in statistics.quantiles(paired, n=4))})"
        )
    finished = [event for event in comfyui.events() if event["event"] == "node_finished"]
    assert len(finished) == (RUNS + 2) * NODES
    size = sum(file.stat().st_size for file in comfyui.spool.glob("*/*.ndjson"))
    print(f"spool: {size / (RUNS + 2) / 1e3:.0f} KB a run of {NODES} nodes")
