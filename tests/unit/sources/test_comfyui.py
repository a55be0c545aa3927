"""A ComfyUI is watched over its API, in both versions, in all its moods."""

from __future__ import annotations

import base64
import fcntl
import json
import socket
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import ValidationError

from safelight.comfyui.watch.snapshot import Pack
from safelight.comfyui.watch.state import State
from safelight.pipeline import chain
from safelight.sources.comfyui import ComfyUI as Source
from safelight.sources.comfyui import _Watch
from support.comfyui import PROMPT, VERSIONS, ComfyUI
from support.watching import Reading, Report, eventually, reading

pytestmark = pytest.mark.anyio


async def settled(read: Reading, comfyui: ComfyUI) -> None:
    """It has met this ComfyUI."""
    await eventually(lambda: read.report.read == 1 and read.durable)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listening", [True, False], ids=["with its socket", "by asking alone"])
async def test_runs_are_told_from_outside(version, listening):
    async with ComfyUI(version, sockets_allowed=listening) as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        good, bad, stopped = await comfyui.run(), await comfyui.queue(), await comfyui.queue()
        await read.until("run_started", good)
        await comfyui.finish(good, cached=("1",), n5={"images": [{"filename": "a.png", "type": "output"}]})
        await comfyui.begin(bad)
        await comfyui.fail(bad)
        await comfyui.begin(stopped)
        await comfyui.interrupt(stopped)
        failure = await read.until("node_failed", bad)
        await read.until("run_interrupted", stopped)

        assert read.names(good) == ["run_queued", "run_started", "node_cached", "output_saved", "run_finished"]
        assert read.names(bad)[-2:] == ["node_failed", "run_failed"]
        assert (failure["node"], failure["error_type"], failure["error_message"]) == (
            "LabRaise",
            "RuntimeError",
            "lab failure",
        )
        assert "tensor" not in json.dumps(read.events)
        assert max(Counter(event["id"] for event in read.events).values()) == 1
        assert any(socket.client_id.startswith("safelight-") for socket in comfyui.sockets) == listening


async def test_events_are_understood_by_the_steps_behind_it():
    async with ComfyUI() as comfyui, reading(comfyui.url, instance="studio") as read:
        await settled(read, comfyui)
        run_id = await comfyui.run()
        await comfyui.fail(run_id)
        await read.until("run_failed")
        batch = read.source._batch(read.events)
        rows = chain((), "comfyui")(batch).table.to_pylist()
        failure = next(row for row in rows if row["event"] == "node_failed")
        assert (failure["service"], failure["instance"], failure["workflow_id"]) == ("comfyui", "studio", run_id)
        assert failure["error_group"] == next(row for row in rows if row["event"] == "run_failed")["error_group"]
        assert failure["parse_error"] is None


async def test_a_run_too_short_to_be_seen_is_found_in_the_history():
    async with ComfyUI(sockets_allowed=False) as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        runs = []
        for _ in range(40):  # more than are asked for at once
            runs.append(run_id := await comfyui.run())
            await comfyui.finish(run_id)
        for run_id in runs:
            await read.until("run_finished", run_id)
        assert len([event for event in read.events if event["event"] == "run_finished"]) == 40


async def test_nodes_of_a_run_without_a_client_are_heard():
    async with ComfyUI() as comfyui, reading(comfyui.url) as read:
        await comfyui.connected.wait()
        await settled(read, comfyui)
        run_id = await comfyui.run()
        await read.until("run_started", run_id)
        await comfyui.progress(run_id, n1="running")
        await comfyui.progress(run_id, n1="finished", n2="running")
        started = await read.until("node_started", run_id, count=2)
        assert (started["node"], started["node_id"]) == ("LabRaise", "2")
        assert (await read.until("node_finished", run_id))["node"] == "EmptyImage"


async def test_the_console_is_heard_and_a_failure_in_it_is_no_second_alarm():
    async with ComfyUI() as comfyui, reading(comfyui.url) as read:
        await comfyui.connected.wait()
        await eventually(lambda: comfyui.sockets and comfyui.sockets[0].lines)
        await comfyui.say("!!! Exception during processing !!! lab failure", "Traceback (most recent call last):")
        await comfyui.say('  File "x.py", line 1, in f', "RuntimeError: lab failure", "")
        await comfyui.say("invalid prompt: {'type': 'invalid_prompt', 'message': 'No node X', 'details': ''}")
        rejected = await read.until("run_rejected")
        failure = next(event for event in read.events if "lab failure" in event["message"])
        assert (failure["event"], failure["level"], failure["console_level"]) == ("log", "INFO", "ERROR")
        assert failure["message"].endswith("RuntimeError: lab failure")
        assert rejected["error_message"] == "No node X"


async def test_a_worker_whose_end_is_printed_is_dead():
    async with ComfyUI() as comfyui, reading(comfyui.url) as read:
        await eventually(lambda: comfyui.sockets and comfyui.sockets[0].lines)
        await comfyui.say("Exception in thread Thread-5 (prompt_worker):", "Traceback (most recent call last):")
        await comfyui.say('  File "main.py", line 1, in f', "KeyboardInterrupt", "", "got prompt")
        assert "prompt_worker" in (await read.until("worker_dead"))["proof"]


async def test_a_kill_loses_what_was_queued_and_a_new_start_is_a_restart(monkeypatch):
    monkeypatch.setattr("safelight.comfyui.watch.watcher.GONE_AFTER_MS", 100)
    monkeypatch.setattr("safelight.comfyui.watch.watcher.AWAY_AFTER_MS", 50)
    monkeypatch.setattr("safelight.comfyui.watch.pace._FIRST_RETRY_S", 0.05)
    async with ComfyUI() as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        ran, waited = await comfyui.run(), await comfyui.queue()
        await read.until("run_queued", waited)
        await comfyui.kill()
        assert (await read.until("run_lost", ran))["was"] == "running"
        assert (await read.until("run_lost", waited))["was"] == "queued"
        assert "cannot be reached" in read.report.waits
        assert read.report.read == 0
        assert not read.report.said  # `instance_unreachable` is the alarm, and one is enough
        await comfyui.start()
        await read.until("instance_restarted")
        again = await comfyui.run()
        await comfyui.finish(again)
        await read.until("run_finished", again)
        instance = [event["event"] for event in read.events if event["event"].startswith("instance_")]
        assert instance == ["instance_unreachable", "instance_recovered", "instance_restarted"]


@pytest.mark.parametrize("stop_at", range(7))
async def test_safelight_restarted_at_any_point_tells_every_run_once(stop_at):
    durable: dict[str, str] = {}
    events: list[dict[str, Any]] = []
    runs: list[str] = []
    async with ComfyUI() as comfyui:

        async def queue() -> None:
            runs.append(await comfyui.queue())

        steps = [
            queue,
            queue,
            lambda: comfyui.begin(runs[0]),
            lambda: comfyui.finish(runs[0]),
            lambda: comfyui.begin(runs[1]),
            lambda: comfyui.fail(runs[1]),
        ]
        async with reading(comfyui.url, durable) as read:
            await settled(read, comfyui)
            for step in steps[:stop_at]:
                await step()
                asked = len(comfyui.asked)
                await eventually(lambda asked=asked: len(comfyui.asked) > asked + 2)
            events += read.events
        for step in steps[stop_at:]:
            await step()
        async with reading(comfyui.url, durable) as read:
            await settled(read, comfyui)
            last = await comfyui.run()
            await comfyui.finish(last)
            await read.until("run_finished", last)
            events += read.events
    of_runs = Counter((e["workflow_id"], e["event"]) for e in events if e.get("workflow_id") in runs)
    del of_runs[runs[0], "run_document"], of_runs[runs[1], "run_document"]
    first = dict.fromkeys(["run_queued", "run_started", "run_finished"], 1)
    second = dict.fromkeys(["run_queued", "run_started", "node_failed", "run_failed"], 1)
    assert of_runs == {**{(runs[0], name): 1 for name in first}, **{(runs[1], name): 1 for name in second}}
    assert not [event for event in events if event["event"].startswith("instance_")]


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("garbage", "cannot be read"),
        ("html", "is not ComfyUI"),
        ("other", "is not ComfyUI"),
        ("hang", "did not answer in time"),
        ("hang_up", "cannot be reached"),
        ("gateway", "cannot be reached"),
        ("redirect", "redirect"),
        ("error", "HTTP 500"),
        ("huge", "more than 2 MB"),
    ],
)
async def test_one_that_answers_badly_is_a_trouble_with_a_clear_sentence_until_it_answers_well(
    manner, said, monkeypatch
):
    monkeypatch.setattr("safelight.comfyui.watch.pace._FIRST_RETRY_S", 0.05)
    monkeypatch.setattr("safelight.comfyui.client.ANSWER_LIMIT", 2 * 1024 * 1024)
    async with ComfyUI(manner=manner) as comfyui, reading(comfyui.url, timeout="200ms") as read:
        await eventually(lambda: read.report.troubles)
        assert said in read.report.troubles[comfyui.url]
        assert read.report.read == 0
        comfyui.manner = ""
        await settled(read, comfyui)
        assert not read.report.troubles
        assert not read.events


async def test_nobody_there_is_a_trouble_told_once(monkeypatch):
    monkeypatch.setattr("safelight.comfyui.watch.pace._FIRST_RETRY_S", 0.02)
    async with ComfyUI() as comfyui:
        await comfyui.kill()
        async with reading(comfyui.url) as read:
            await eventually(lambda: read.report.troubles)
            await comfyui.start()  # starting: it answers in the end
            await settled(read, comfyui)
            assert len(read.report.said) == 1
            assert not read.report.troubles


async def test_one_that_is_optional_is_not_missed_before_it_was_seen(monkeypatch):
    monkeypatch.setattr("safelight.comfyui.watch.pace._FIRST_RETRY_S", 0.02)
    async with ComfyUI() as comfyui:
        await comfyui.kill()
        async with reading(comfyui.url, optional=True) as read:
            await eventually(lambda: "cannot be reached" in read.report.waits)
            await comfyui.start()
            await settled(read, comfyui)
            assert not read.report.said
            await comfyui.kill()
            await read.until("instance_unreachable")
            assert not read.report.said


async def test_authentication_and_a_path_prefix_are_passed_and_missed():
    wanted = "Basic " + base64.b64encode(b"me:pass").decode()
    async with ComfyUI(prefix="/one/comfy", authorization=wanted) as comfyui:
        async with reading(comfyui.url) as read:
            await eventually(lambda: read.report.troubles)
            assert "wants to know who asks (HTTP 401)" in read.report.troubles[comfyui.url]
        async with reading(comfyui.url.replace("//", "//me:pass@")) as read:
            await settled(read, comfyui)
            await comfyui.connected.wait()
            run_id = await comfyui.run()
            await read.until("run_started", run_id)
            assert read.source.name == comfyui.url
            assert "pass" not in json.dumps(read.events) + json.dumps(read.durable)
    async with ComfyUI(authorization="Bearer t") as comfyui, reading(comfyui.url, token="t") as read:
        await settled(read, comfyui)
        await comfyui.connected.wait()


async def test_with_the_pack_visible_only_the_outside_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("safelight.sources.comfyui._PACK_EVERY_S", 0.05)
    pack = {"spool": str(tmp_path), "instance": "inside", "host": "here", "pid": 7, "worker_alive": True, "run": None}
    async with ComfyUI(pack=pack) as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        run_id = await comfyui.run()
        await comfyui.finish(run_id)
        pack["worker_alive"] = False
        comfyui.running = [[9, "zombie", PROMPT, {}, ["5"]]]
        dead = await read.until("worker_dead")
        assert dead["instance"] == "inside"
        assert [event["event"] for event in read.events] == ["worker_dead"]
        assert "GET /history" not in comfyui.paths()


@pytest.mark.parametrize(
    ("policy", "speaks", "trouble"), [("auto", False, True), ("trust", True, False), ("ignore", False, False)]
)
async def test_a_pack_whose_spool_is_elsewhere_speaks_only_if_it_is_trusted(tmp_path, policy, speaks, trouble):
    pack = {"spool": str(tmp_path / "elsewhere"), "worker_alive": True}
    async with ComfyUI(pack=pack) as comfyui, reading(comfyui.url, pack=policy) as read:
        await settled(read, comfyui)
        assert bool(read.report.troubles) == trouble
        assert all(str(tmp_path / "elsewhere") in said for said in read.report.said)
        run_id = await comfyui.run()
        if speaks:
            asked = len(comfyui.asked)
            await eventually(lambda: len(comfyui.asked) > asked + 5)
            assert not read.events
        else:
            await read.until("run_started", run_id)


@contextmanager
def being_read(root: Path):
    """A Safelight reads this spool."""
    with (root / ".consumer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


async def test_a_pack_whose_spool_nobody_reads_does_not_speak_until_somebody_does(tmp_path, monkeypatch):
    monkeypatch.setattr("safelight.sources.comfyui._UNREAD_S", 0)
    folder = tmp_path / "comfyui-here-20261122T103000Z-7"
    folder.mkdir()
    pack = {"spool": str(folder), "host": "here", "pid": 7, "worker_alive": True, "run": None}
    async with ComfyUI(pack=pack) as comfyui, reading(comfyui.url) as read:
        await eventually(lambda: read.report.troubles)
        (said,) = read.report.troubles.values()
        assert f"{tmp_path}, which no Safelight on this machine reads" in said
        run_id = await comfyui.run()
        await read.until("run_started", run_id)
        await comfyui.finish(run_id)
        await read.until("run_finished", run_id)
        with being_read(tmp_path):
            await eventually(lambda: not read.report.troubles)
            told = len(read.events)
            await comfyui.finish(await comfyui.run())
            asked = len(comfyui.asked)
            await eventually(lambda: len(comfyui.asked) > asked + 5)
            assert len(read.events) == told


def test_a_spool_may_go_unread_for_ten_seconds_at_a_time(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("safelight.sources.comfyui.time", SimpleNamespace(monotonic=lambda: clock[0]))
    folder, report = tmp_path / "comfyui", Report()
    folder.mkdir()
    source = Source()
    watch, pack = _Watch(source, source.client(), State.parse(None), report), Pack(spool=str(folder))

    def speaks(after_s: float) -> bool:
        clock[0] += after_s
        return watch._pack_speaks(pack)

    assert [speaks(0), speaks(9.9)] == [True, True]
    with being_read(tmp_path):
        assert speaks(0.2)
    assert [speaks(0), speaks(9.9)] == [True, True]
    assert not report.said
    assert not speaks(0.2)
    with being_read(tmp_path):
        assert speaks(0)
    assert not report.troubles
    assert len(report.said) == 1


def test_a_lock_that_may_not_be_looked_at_says_nothing_against_the_pack(tmp_path, monkeypatch):
    monkeypatch.setattr("safelight.sources.comfyui._UNREAD_S", 0)
    (tmp_path / "comfyui").mkdir()
    (tmp_path / ".consumer.lock").symlink_to(".consumer.lock")  # cannot be opened, even by root
    source, report = Source(), Report()
    watch = _Watch(source, source.client(), State.parse(None), report)
    assert watch._pack_speaks(Pack(spool=str(tmp_path / "comfyui")))
    assert not report.said


def test_a_spool_whose_name_no_disk_takes_cannot_be_seen():
    source, report = Source(), Report()
    watch = _Watch(source, source.client(), State.parse(None), report)
    assert not watch._pack_speaks(Pack(spool="/" + "x" * 5_000))
    assert ["cannot see" in said for said in report.said] == [True]


@pytest.mark.parametrize("policy", ["auto", "trust"])
async def test_a_pack_that_cannot_write_says_why_and_that_it_can_again(tmp_path, monkeypatch, policy):
    monkeypatch.setattr("safelight.sources.comfyui._PACK_EVERY_S", 0.05)
    (tmp_path / "comfyui").mkdir()
    health = {"failing": True, "last_error": "2026-11-22T10:30:00.000000Z OSError: [Errno 28] No space left on device"}
    pack = {"spool": str(tmp_path / "comfyui"), "worker_alive": True, "health": health}
    with being_read(tmp_path):
        async with ComfyUI(pack=pack) as comfyui, reading(comfyui.url, pack=policy) as read:
            await eventually(lambda: read.report.troubles)
            await comfyui.run()
            health["last_error"] = "2026-11-22T10:30:05.000000Z OSError: [Errno 28] No space left on device"
            asked = len(comfyui.asked)
            await eventually(lambda: len(comfyui.asked) > asked + 5)
            (said,) = set(read.report.said)  # the same each time, or each try would be another alarm
            assert "cannot write its spool: OSError: [Errno 28] No space left on device." in said
            assert not read.events  # they wait in the pack
            health["failing"] = False
            await eventually(lambda: not read.report.troubles)


async def test_a_pack_that_never_could_write_says_why_and_its_runs_are_told():
    error = (
        "2026-11-22T10:30:00.000000Z OSError: [Errno 30] Read-only file system: '/spool/comfyui-here-20261122T1030-7'"
    )
    pack = {"spool": None, "worker_alive": True, "health": {"failing": True, "last_error": error}}
    async with ComfyUI(pack=pack) as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        run_id = await comfyui.run()
        await read.until("run_started", run_id)
        (said,) = set(read.report.said)
        assert "Read-only file system" in said
        assert "writes to" not in said


def test_while_a_pack_cannot_write_its_first_reason_stands():
    source, report = Source(), Report()
    watch = _Watch(source, source.client(), State.parse(None), report)
    for second in range(3):
        watch._pack_speaks(Pack(failing=f"OSError: [Errno 30] Read-only file system: '/spool/comfyui-{second}'"))
    assert len(set(report.said)) == 1


async def test_a_pack_that_is_taken_out_leaves_nothing_to_be_told_twice(tmp_path):
    pack = {"spool": str(tmp_path), "host": "here", "pid": 7, "worker_alive": True, "run": None}
    durable: dict[str, str] = {}
    async with ComfyUI(pack=pack) as comfyui:
        async with reading(comfyui.url, durable) as read:
            await settled(read, comfyui)
            for _ in range(3):
                await comfyui.finish(await comfyui.run())
            assert not read.events
        async with reading(comfyui.url, durable, pack="ignore") as read:
            run_id = await comfyui.run()
            await read.until("run_started", run_id)
            await comfyui.finish(run_id)
            await read.until("run_finished", run_id)
            assert {event["workflow_id"] for event in read.events if "workflow_id" in event} == {run_id}


async def test_outputs_that_failed_validation_are_found_by_asking_which_classes_are_outputs():
    classes = {"7": "PreviewImage", "8": "Broken/?#node", "9": "EmptyImage"}
    graph = PROMPT | {node_id: {"class_type": name, "inputs": {}} for node_id, name in classes.items()}
    async with ComfyUI(broken_classes=("Broken/?#node",)) as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        for _ in range(2):
            run_id = await comfyui.queue(graph)
            queued = await read.until("run_queued", run_id)
            assert list(queued["node_errors"]) == ["7"]
        assert len([path for path in comfyui.paths() if "object_info" in path]) == 3


async def test_emptying_a_long_queue_costs_few_questions():
    async with ComfyUI() as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        for _ in range(50):
            await comfyui.queue()
        await read.until("run_queued", count=50)
        comfyui.asked.clear()
        comfyui.pending.clear()
        await comfyui.status()
        await read.until("run_interrupted", count=50)
        assert len(comfyui.asked) < 15


async def test_secrets_of_the_command_line_and_of_prompts_go_nowhere():
    async with ComfyUI(argv=["main.py", "--api-key", "canary-1"]) as comfyui, reading(comfyui.url) as read:
        await settled(read, comfyui)
        await comfyui.run(None, api_key_comfy_org="canary-2", auth_token="canary-3")
        queued = await read.until("run_started")
        assert queued
        assert "canary" not in json.dumps(read.events) + json.dumps(read.durable)


@pytest.mark.parametrize(
    ("url", "instance"),
    [
        ("http://127.0.0.1:8188", f"{socket.gethostname()}:8188"),
        ("http://localhost:8188/", f"{socket.gethostname()}:8188"),
        ("http://me:p@gpu-1:8188", "gpu-1:8188"),
        ("https://gpu.example.com/comfy/2/", "gpu.example.com:443/comfy/2"),
    ],
    ids=["loopback", "localhost", "far away", "prefix"],
)
async def test_an_instance_is_called_by_its_address(url, instance):
    assert Source.model_validate({"type": "comfyui", "url": url}).called() == instance


@pytest.mark.parametrize(
    "bad",
    [{"url": "gpu-1:8188"}, {"url": "http://gpu-1:81880"}, {"poll": "5"}, {"stuck_after": "soon"}, {"pack": "maybe"}],
    ids=str,
)
async def test_a_setting_that_means_nothing_is_refused(bad):
    with pytest.raises(ValidationError):
        Source.model_validate({"type": "comfyui", **bad})


async def test_it_asks_no_more_than_it_says_it_does():
    how = {"poll": "200ms", "poll_busy": "100ms"}
    async with ComfyUI() as comfyui, reading(comfyui.url, **how) as read:
        await comfyui.connected.wait()
        await settled(read, comfyui)
        idle, idle_s = await asked_in(comfyui, 1.0)
        await comfyui.run()
        await read.until("run_started")
        busy, busy_s = await asked_in(comfyui, 1.0)
        for _ in range(20):
            await comfyui.status()  # however often it is woken
        woken, woken_s = await asked_in(comfyui, 1.0)
        await eventually(comfyui.paths)  # it has not fallen asleep
    assert set(idle) <= {"GET /queue", "GET /history"}
    assert sum(idle.values()) <= idle_s / 0.2 + 2  # one that was due, one under way
    assert set(busy) <= {"GET /queue"}
    assert sum(busy.values()) <= busy_s / 0.1 + 2
    assert sum(woken.values()) <= woken_s / 0.1 + 4


async def test_it_can_be_stopped_at_any_moment():
    async with ComfyUI() as comfyui:
        for moment in range(30):
            with anyio.fail_after(60):
                async with reading(comfyui.url, poll="10ms"):
                    for _ in range(moment):
                        await comfyui.status()
                        await anyio.lowlevel.checkpoint()


async def asked_in(comfyui: ComfyUI, seconds: float) -> tuple[Counter[str], float]:
    """What it was asked meanwhile, and how long that took."""
    comfyui.asked.clear()
    began = time.monotonic()
    await anyio.sleep(seconds)
    return Counter(comfyui.paths()), time.monotonic() - began
