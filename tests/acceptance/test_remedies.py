"""A real ComfyUI is killed, hung, too hot; remedies bring it back, and no prompt is forgotten.

SAFELIGHT_COMFYUI, SAFELIGHT_COMFYUI_PYTHON  see `support/comfyui_real.py`
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from support.comfyui_real import COMFYUI, eventually, needs_comfyui, start
from support.running import running

pytestmark = [needs_comfyui, pytest.mark.timeout(600)]
CONFIG = """
[alerts]
default_rules = false
[remedies]
dry_run = {dry_run}
[spool]
directory = "{spool}"
[[sources]]
type = "comfyui"
url = "{url}"
"""
RESTART = """
import json, os, pathlib, subprocess, sys, time
path = pathlib.Path(sys.argv[1])
state = json.loads(path.read_text())
try:
    os.kill(state["pid"], 9)
    time.sleep(0.5)
except ProcessLookupError:
    pass
with open(state["console"], "ab") as said:
    child = subprocess.Popen(
        state["command"], cwd=state["cwd"], stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
    )
path.write_text(json.dumps({**state, "pid": child.pid}))
print("was", state["pid"], "is", child.pid)
"""


@contextmanager
def restarting(root, comfyui):
    """A command that ends this ComfyUI and starts it anew; what it started is ended with the block."""
    script, state = root / "restart.py", root / "comfyui.json"
    script.write_text(RESTART)
    told = {
        "pid": comfyui.process.pid,
        "command": comfyui.process.args,
        "cwd": COMFYUI,
        "console": str(comfyui.console),
    }
    state.write_text(json.dumps(told))
    try:
        yield [sys.executable, str(script), str(state)]
    finally:
        pid = json.loads(state.read_text())["pid"]
        if pid != comfyui.process.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)


@contextmanager
def watched(root, comfyui, rules, *, dry_run=False):
    root.mkdir(exist_ok=True)
    config = CONFIG.format(spool=comfyui.spool, url=comfyui.url, dry_run=json.dumps(dry_run))
    with running(root, config + rules) as server:
        yield server


def rule(name, when, *steps, **fields):
    """As TOML; JSON's texts, lists and numbers are TOML too."""
    more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
    what = f"id = {json.dumps(name)}\nwhen = {json.dumps(when)}\nseverity = 3\n"
    return f"[[rules]]\n{what}{more}then = [{', '.join(steps)}]\n"


def step(remedy, **settings):
    inner = ", ".join(f'"{key}" = {json.dumps(value)}' for key, value in settings.items())
    return f"{{ {remedy} = {{ {inner} }} }}"


def prompt(number, node="LabSleep", **inputs):
    asked = {"seconds": 0.2, "steps": 2} if node == "LabSleep" else {}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": number}},
        "2": {"class_type": node, "inputs": {"image": ["1", 0], "salt": number, **asked, **inputs}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


def submit(comfyui, given, **more):
    answer = httpx.post(f"{comfyui.url}/prompt", json={"prompt": given, **more}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["prompt_id"]


def queue(comfyui):
    said = httpx.get(f"{comfyui.url}/queue", timeout=30).json()
    return [item[1] for item in said["queue_running"]], [item[1] for item in said["queue_pending"]]


def history(comfyui):
    """What has ended there, oldest first."""
    return list(httpx.get(f"{comfyui.url}/history", timeout=30).json().values())


def ended(comfyui, runs):
    """The prompts of these runs, in the order in which they ran, once all have succeeded."""

    def check():
        entries = [entry for entry in history(comfyui) if entry["prompt"][1] in runs]
        well = all(entry["status"]["status_str"] == "success" for entry in entries)
        return entries if len(entries) == len(runs) and well else None

    entries = eventually(check, within_s=120, what=f"{len(runs)} runs end")
    return [entry["prompt"] for entry in entries]


def finished(server, remedy, status="done", within_s=180):
    """The event of the end of a remedy."""
    event = server.until(f"event:remedy_finished attributes.remedy:{remedy}", within_s=within_s)[-1]  # the first one
    assert event["attributes"]["status"] == status, event["message"]
    return event


def begun(comfyui, run):
    eventually(lambda: run in queue(comfyui)[0], within_s=60, what="it runs")


def test_a_comfyui_that_was_killed_is_started_again_and_its_lost_queue_submitted(tmp_path):
    with start(tmp_path / "base") as comfyui, restarting(tmp_path, comfyui) as command:
        restart = step("restart", command=command, wait_for_health="170s")
        with watched(tmp_path / "server", comfyui, rule("gone", "any event:run_lost", restart)) as server:
            sleeping = submit(comfyui, prompt(1, seconds=60, steps=60))
            waiting = [submit(comfyui, prompt(number)) for number in (2, 3, 4)]
            begun(comfyui, sleeping)
            server.until("event:run_queued", 4)
            os.kill(comfyui.process.pid, signal.SIGKILL)
            comfyui.process.wait()
            server.until("event:run_lost", 4, within_s=60)
            event = finished(server, "restart")
            assert "It answers after" in event["message"]
            assert "Prompts back in the queue: 3." in event["message"]
            again = {one["workflow_id"]: one["attributes"]["new_id"] for one in server.events("event:run_resubmitted")}
            assert set(again) == set(waiting)  # not the one that was running: it may be what killed it
            prompts = ended(comfyui, [again[run] for run in waiting])
            assert [one[2] for one in prompts] == [prompt(number) for number in (2, 3, 4)]
            assert len(server.events("event:remedy_started")) == 1  # however many alerts of lost runs there are
            assert not server.events("event:remedy_failed")


def test_a_hung_comfyui_is_interrupted_in_vain_and_then_restarted_with_its_queue(tmp_path):
    with start(tmp_path / "base") as comfyui, restarting(tmp_path, comfyui) as command:
        steps = (step("interrupt", within="3s"), step("restart", command=command, wait_for_health="170s"))
        with watched(tmp_path / "server", comfyui, rule("hung", "run takes > 6s", *steps)) as server:
            hanging = submit(comfyui, prompt(1, "LabHang", seconds=900))
            waiting = [submit(comfyui, prompt(number)) for number in (2, 3, 4)]
            begun(comfyui, hanging)
            finished(server, "interrupt", "failed")
            event = finished(server, "restart")
            assert "Prompts back in the queue: 3." in event["message"]
            prompts = ended(comfyui, waiting)  # under the ids that whoever sent them knows
            assert [one[1] for one in prompts] == waiting
            assert [json.dumps(one[2]) for one in prompts] == [json.dumps(prompt(number)) for number in (2, 3, 4)]
            assert hanging not in [entry["prompt"][1] for entry in history(comfyui)]


def test_a_second_comfyui_takes_over_the_queue_of_a_hung_one(tmp_path):
    with start(tmp_path / "base") as first, start(tmp_path / "other") as second:
        standby = step("standby", to=second.url)
        with watched(tmp_path / "server", first, rule("hung", "run takes > 6s", standby)) as server:
            hanging = submit(first, prompt(1, "LabHang", seconds=60))
            extra = {"extra_pnginfo": {"workflow": {"nodes": [{"id": 1}], "links": []}}, "note": "人像"}
            waiting = [submit(first, prompt(number), extra_data=extra) for number in (2, 3, 4)]
            begun(first, hanging)
            event = finished(server, "standby")
            assert "pending prompts: 3, lost with its process: 0" in event["message"]
            prompts = ended(second, waiting)
            assert [one[1] for one in prompts] == waiting
            assert [json.dumps(one[2]) for one in prompts] == [json.dumps(prompt(number)) for number in (2, 3, 4)]
            assert all(one[3]["note"] == "人像" for one in prompts)
            assert queue(first) == ([hanging], [])


def test_a_queue_is_paused_while_it_is_too_hot_and_goes_on_as_it_was(tmp_path):
    log = tmp_path / "thermometer.log"
    log.touch()
    thermometer = f'[[sources]]\ntype = "file"\npaths = [{json.dumps(str(log))}]\nservice = "thermometer"\n'
    with start(tmp_path / "base") as comfyui:
        hot = rule("hot", "any event:too_hot", step("pause_queue", url=comfyui.url), resolve_after="12s")
        with watched(tmp_path / "server", comfyui, thermometer + hot) as server:
            first = submit(comfyui, prompt(1, seconds=6, steps=6))
            extra = {"client_id": "a-browser", "note": "人像"}
            waiting = [submit(comfyui, prompt(number), extra_data=extra) for number in (2, 3, 4)]
            begun(comfyui, first)
            with Path(log).open("a") as said:
                said.write('{"event": "too_hot", "level": "WARNING", "message": "91 C"}\n')
            finished(server, "pause_queue")
            meanwhile = submit(comfyui, prompt(5))
            ended(comfyui, [first])
            eventually(lambda: queue(comfyui) == ([], []), within_s=30, what="what came meanwhile is held too")
            assert [entry["prompt"][1] for entry in history(comfyui)] == [first]
            server.until("event:remedy_finished attributes.status:undone", within_s=60)
            prompts = ended(comfyui, [*waiting, meanwhile])
            assert [one[1] for one in prompts] == [*waiting, meanwhile]
            assert [json.dumps(one[2]) for one in prompts] == [json.dumps(prompt(number)) for number in (2, 3, 4, 5)]
            assert all(one[3]["note"] == "人像" for one in prompts[:3])


def test_a_dry_run_says_what_it_would_do_and_leaves_comfyui_alone(tmp_path):
    with start(tmp_path / "base") as comfyui, restarting(tmp_path, comfyui) as command:
        steps = (step("interrupt"), step("restart", command=command))
        with watched(
            tmp_path / "server", comfyui, rule("failed", "any event:run_failed", *steps), dry_run=True
        ) as server:
            submit(comfyui, prompt(1, "LabRaise", kind="runtime"))
            event = finished(server, "interrupt", "dry_run")
            assert "nothing was done. What it would do: Interrupt what runs on" in event["message"]
            assert "If that does not help: Restart" in event["message"]
            assert comfyui.process.poll() is None
            assert not server.events("event:remedy_started")
