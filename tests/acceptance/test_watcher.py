"""A real ComfyUI, watched from outside while others use it.

SAFELIGHT_COMFYUI and SAFELIGHT_COMFYUI_PYTHON say where it is. The node pack is in it and is ignored: what is told here
is what the outside alone can tell.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections import Counter

import anyio
import anyio.to_thread
import httpx
import pytest

from safelight.comfyui import client as client_module
from support import comfyui_real
from support.comfyui_real import COMFYUI, needs_comfyui, workflow
from support.comfyui_real import eventually as eventually_now
from support.running import running
from support.watching import Reading, eventually, reading

pytestmark = [needs_comfyui, pytest.mark.timeout(400)]

OWN_PACE = {"poll": "5s", "poll_busy": "1s", "timeout": "10s"}


@pytest.fixture
def comfyui(tmp_path):
    with comfyui_real.start(tmp_path / "comfyui") as started:
        yield started


async def met(read: Reading) -> None:
    await eventually(lambda: read.durable)


async def submit(comfyui, name: str, salt: int = 0, **how):
    return await anyio.to_thread.run_sync(lambda: comfyui.submit(workflow(name, salt), **how))


def started_again(comfyui) -> subprocess.Popen[bytes]:
    """The same command, on the same port."""
    with comfyui.console.open("ab") as output:
        return subprocess.Popen(
            comfyui.process.args, cwd=COMFYUI, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def messages(answer: dict) -> Counter[str]:
    """What a submitting client heard of its run."""
    return Counter(message["type"] for _, message in answer["messages"] if message["type"] != "status")


@pytest.mark.anyio
async def test_every_way_a_run_can_go_is_told_and_its_client_misses_nothing(comfyui):
    alone = await submit(comfyui, "ok", 1)
    async with reading(comfyui.url, pack="ignore", **OWN_PACE) as read:
        await met(read)
        watched = await submit(comfyui, "ok", 2)
        expected = {
            "ok": ("run_finished", await submit(comfyui, "ok", 3, listen=False)),
            "cached": ("run_finished", await submit(comfyui, "ok", 3)),
            "partial": ("run_finished", await submit(comfyui, "fail-validation-partial", 4)),
            "failed": ("run_failed", await submit(comfyui, "fail-runtime", 5)),
            "oom": ("run_failed", await submit(comfyui, "oom", 6)),
            "interrupted": ("run_interrupted", await submit(comfyui, "slow", 7, interrupt_after_s=1.0)),
        }
        refused = await submit(comfyui, "fail-validation", 8)
        ends = {
            name: await read.until(event, answer["answer"]["prompt_id"]) for name, (event, answer) in expected.items()
        }
        rejected = await read.until("run_rejected")

    assert messages(watched) == messages(alone)
    assert refused["status"] == 400
    assert rejected["node"] == "ImageScale"
    ids = {name: answer["answer"]["prompt_id"] for name, (_, answer) in expected.items()}
    names = {name: read.names(run_id) for name, run_id in ids.items()}
    assert {name: names[name].count("run_queued") for name in names} == dict.fromkeys(names, 1)
    assert {name: names[name].count("run_started") for name in names} == dict.fromkeys(names, 1)
    assert names["ok"].count("output_saved") == 2
    assert names["ok"].count("node_finished") == 6  # nobody claims it, so its nodes are heard
    assert names["cached"].count("node_cached") >= 4
    partial = await read.until("run_queued", ids["partial"])
    assert list(partial["node_errors"]) == ["5"]
    assert (ends["failed"]["node"], ends["failed"]["error_type"]) == ("LabRaise", "RuntimeError")
    assert ends["oom"]["error_type"] == "torch.OutOfMemoryError"
    assert ends["oom"]["error_message"].endswith("2.00 GiB.")
    assert ends["interrupted"]["node"] == "LabSleep"
    assert ends["interrupted"]["ran_ms"] > 500
    assert max(Counter(event["id"] for event in read.events).values()) == 1
    alarms = [e["event"] for e in read.events if e["level"] in {"ERROR", "CRITICAL"} and e["event"] != "log"]
    assert Counter(alarms) == {"node_failed": 2, "run_rejected": 1}


@pytest.mark.anyio
async def test_a_killed_comfyui_loses_its_runs_and_is_recognised_when_it_is_back(comfyui):
    async with reading(comfyui.url, pack="ignore", stuck_after="10s", **OWN_PACE) as read:
        await met(read)
        clients = [comfyui.client(workflow("hang", 1), listen=False)]
        try:
            await read.until("run_started")
            clients.append(comfyui.client(workflow("ok", 1), listen=False))
            await read.until("run_queued", count=2)
            stuck = await read.until("run_stuck")
            assert stuck["node"] == "LabHang"
            killed_at = time.monotonic()
            comfyui.process.send_signal(signal.SIGKILL)
            lost = [await read.until("run_lost", count=count) for count in (1, 2)]
            print(f"lost {time.monotonic() - killed_at:.1f} s after the kill")
            assert [(event["was"], event.get("node")) for event in lost] == [("running", "LabHang"), ("queued", None)]
        finally:
            for client in clients:
                client.kill()
                client.communicate()
        again = await anyio.to_thread.run_sync(lambda: started_again(comfyui))
        try:
            await read.until("instance_restarted", within_s=120)
            answer = await submit(comfyui, "ok", 2)
            await read.until("run_finished", answer["answer"]["prompt_id"])
        finally:
            again.terminate()
            await anyio.to_thread.run_sync(again.wait)
    told = [event["event"] for event in read.events if event["event"].startswith(("instance_", "worker_"))]
    assert told[:3] == ["instance_unreachable", "instance_recovered", "instance_restarted"]


@pytest.mark.anyio
@pytest.mark.parametrize(("policy", "event"), [("ignore", "run_stuck"), ("auto", "worker_dead")])
async def test_a_worker_that_ended_silently_is_noticed(comfyui, policy, event):
    prompt = workflow("fail-runtime", 1)
    prompt["2"]["inputs"]["kind"] = "keyboard"
    async with reading(comfyui.url, pack=policy, stuck_after="4s", **OWN_PACE) as read:
        await met(read)
        client = comfyui.client(prompt, listen=False)
        try:
            await read.until(event)
            if policy == "auto":
                assert {found["event"] for found in read.events} <= {"worker_dead", "run_stuck"}
        finally:
            client.kill()
            client.communicate()


def test_the_pack_inside_and_the_watcher_outside_tell_one_story(comfyui, tmp_path):
    config = f"""
        [[sources]]
        type = "comfyui"
        url = "{comfyui.url}"
        """
    with running(tmp_path, config, SAFELIGHT_SPOOL=str(comfyui.spool)) as server:
        eventually_now(lambda: server.get("/status")["sources"][0]["state"] == "reading", within_s=30, what="it is met")
        run_id = comfyui.submit(workflow("ok", 1))["answer"]["prompt_id"]
        server.until(f'workflow_id:"{run_id}" event:run_finished')
        comfyui.process.send_signal(signal.SIGKILL)
        [gone] = server.until("event:instance_unreachable")
        told = Counter(event["event"] for event in server.events(f'workflow_id:"{run_id}"', limit=1000))
    assert (told["run_queued"], told["run_started"], told["run_finished"], told["node_finished"]) == (1, 1, 1, 6)
    assert gone["instance"] == f"{socket.gethostname()}:{httpx.URL(comfyui.url).port}"


@pytest.mark.anyio
async def test_it_asks_seldom(comfyui, monkeypatch):
    asked: Counter[str] = Counter()
    send = client_module.Client._send

    async def counted(self, request, path):
        asked[f"{request.method} {path}"] += 1
        return await send(self, request, path)

    monkeypatch.setattr(client_module.Client, "_send", counted)
    async with reading(comfyui.url, pack="ignore", **OWN_PACE) as read:
        await met(read)
        await anyio.sleep(1)
        asked.clear()
        await anyio.sleep(30)
        idle = dict(asked)
        client = comfyui.client(workflow("slow", 1), listen=False)
        with contextlib.closing(client.stdout):
            await read.until("run_started")
            asked.clear()
            began = time.monotonic()
            end = await read.until("run_finished")
            busy_s = time.monotonic() - began
            busy = dict(asked)
            client.wait()
    print(f"a minute idle: {sum(idle.values()) * 2} {idle}; busy: {sum(busy.values()) * 60 / busy_s:.0f} {busy}; {end}")
    assert sum(idle.values()) * 2 <= 20
    assert sum(busy.values()) * 60 / busy_s <= 120
