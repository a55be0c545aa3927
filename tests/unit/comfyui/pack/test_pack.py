"""How the pack starts, and what keeps it from disturbing ComfyUI."""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.comfyui.watch.snapshot import Pack as Inside
from support.comfyui_process import ComfyUI


@pytest.fixture(autouse=True)
def _no_mistakes(pack):
    pack.guard.mistakes.clear()


@pytest.fixture
def started(pack, monkeypatch, tmp_path):
    """The pack at work around a stand-in, writing into a spool of its own."""
    comfyui = ComfyUI(monkeypatch)
    comfyui.classes = {"Load": lambda _: [["image"]], "Fail": lambda _: 1 / 0}
    monkeypatch.setenv("SAFELIGHT_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr(sys, "argv", ["main.py", "--api-key", "canary-secret"])
    monkeypatch.setattr(pack.hooks.request, "_middleware", None)
    root = logging.getLogger()
    handlers = root.handlers[:]
    emit = spooled(pack)
    writer = emit.Writer()
    monkeypatch.setattr(emit, "_writer", writer)  # what another test told and could not write is not ours
    running = pack.pack.start()
    comfyui.pack = running
    yield comfyui
    running.hooks.remove()
    root.handlers[:] = handlers
    pack.guard.report_to(None)
    writer.close()


def spooled(pack):
    """The copy of safelight_emit beside the pack."""
    return importlib.import_module(f"{pack.pack.__package__}.safelight_emit.emit")


def events(pack, tmp_path):
    assert spooled(pack).flush(10)
    lines = b"".join(file.read_bytes() for file in (tmp_path / "spool").glob("*/*.ndjson")).splitlines()
    return [json.loads(line) for line in lines]


def test_it_says_where_it_started_and_with_what(started, pack, tmp_path):
    [first] = [event for event in events(pack, tmp_path) if event["event"] == "instance_started"]
    assert first["service"] == "comfyui"
    assert first["instance"].endswith(":8188")
    assert first["comfyui_version"] == "0.27"
    assert {"request", "queue", "executor", "messages", "progress", "node", "inputs", "socket", "models"} == {
        *first["hooks"]
    }
    assert first["argv"] == ["main.py", "--api-key", "[REDACTED]"]
    assert first["pack_version"] == "9.9"


def test_a_run_ends_up_in_the_spool_and_a_failure_in_the_state(started, pack, tmp_path):
    started.run({"1": {"class_type": "Fail", "inputs": {}}})
    names = [event["event"] for event in events(pack, tmp_path) if event.get("workflow_id") == "run-1"]
    assert {"run_queued", "run_started", "node_started", "node_failed", "run_failed"} <= {*names}
    state = started.pack.state.as_json()
    assert [failure["error_type"] for failure in state["failures"]] == ["ZeroDivisionError"]
    assert state["run"] is None
    assert state["mistakes"] == {}


def test_the_run_at_hand_is_in_the_state_and_the_watcher_sees_it_get_on(started):
    states = []

    def load(_):
        states.append(started.pack.state.as_json())
        return [["image"]]

    started.classes["Load"] = load
    started.run({"1": {"class_type": "Load", "inputs": {}}, "2": {"class_type": "Load", "inputs": {}}})
    assert states[0]["run"]["workflow_id"] == "run-1"
    assert [(node["node_id"], node["node"]) for node in states[0]["run"]["nodes"]] == [("1", "Load")]
    first, second = map(Inside.of, states)
    assert (first.run_id, first.node, first.node_id) == ("run-1", "Load", "1")
    assert (second.node_id, second.at != first.at) == ("2", True)


def test_a_second_copy_stays_idle(started, pack, caplog):
    before = started.execution.execute
    assert pack.pack.start() is None
    assert started.execution.execute is before
    assert "installed twice" in caplog.text


def test_a_start_that_fails_is_a_line_and_no_exception(pack, monkeypatch, caplog):
    ComfyUI(monkeypatch)

    def fail():
        raise OSError("no such folder")

    monkeypatch.setattr(pack.settings, "load", fail)
    assert pack.pack.start() is None
    assert "could not start: OSError: no such folder" in caplog.text


def test_a_spool_that_cannot_be_written_disturbs_nothing(pack, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    comfyui = ComfyUI(monkeypatch)
    comfyui.classes = {"Load": lambda _: [["image"]]}
    monkeypatch.setenv("SAFELIGHT_SPOOL", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(pack.hooks.request, "_middleware", None)
    root = logging.getLogger()
    handlers = root.handlers[:]
    running = pack.pack.start()
    try:
        comfyui.run({"1": {"class_type": "Load", "inputs": {}}})
        assert comfyui.executor.status_messages[-1][0] == "execution_success"
        assert running.state.as_json()["mistakes"] == {}
    finally:
        running.hooks.remove()
        root.handlers[:] = handlers
        pack.guard.report_to(None)


def test_without_comfyui_nothing_happens(pack, monkeypatch, tmp_path):
    for name in ("execution", "server", "comfy.model_management", "comfy_execution.progress", "comfy.cli_args"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setenv("SAFELIGHT_SPOOL", str(tmp_path / "spool"))
    root = logging.getLogger()
    handlers = root.handlers[:]
    try:
        running = pack.pack.start()
        assert running is not None
        assert [hook for hook in running.state.hooks if hook != "console"] == []
    finally:
        root.handlers[:] = handlers
        pack.guard.report_to(None)
    missing = [event for event in events(pack, tmp_path) if event["event"] == "hook_unavailable"]
    assert {"executor", "node", "routes"} <= {event["hook"] for event in missing}


def test_imported_by_the_server_it_does_nothing():
    import safelight.comfyui.pack as ours

    assert not hasattr(ours, "NODE_CLASS_MAPPINGS")


def test_loaded_as_comfyui_does_it_hands_over_its_nodes_and_says_one_line(pack, tmp_path):
    code = f"""
import importlib.util, logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
path = {os.fspath(pack.folder)!r}
name = path.replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, path + "/__init__.py")
module = importlib.util.module_from_spec(spec)
sys.modules[name] = module
spec.loader.exec_module(module)
assert set(module.NODE_CLASS_MAPPINGS) == {{"SafelightHealthCheck", "SafelightMark"}}
assert module.WEB_DIRECTORY == "./web" and module.NODE_DISPLAY_NAME_MAPPINGS
heavy = {{"torch", "numpy", "asyncio", "pathlib", "psutil", "uuid", "aiohttp", "httpx", "inspect"}} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "SAFELIGHT_SPOOL": str(tmp_path / "spool")}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    assert list(Path(tmp_path, "spool").glob("*/*.ndjson"))
