"""The node pack inside a real ComfyUI: what it tells of a run is what the submitting client saw.

Runs only where SAFELIGHT_COMFYUI and SAFELIGHT_COMFYUI_PYTHON say where to find ComfyUI (0.3.45 or newer; a CPU is
enough, no models needed).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.comfyui_real import ComfyUI, eventually, needs_comfyui, start, workflow

pytestmark = [needs_comfyui, pytest.mark.timeout(400)]

SECRET = "canary-4fPq8sVxw2"
KEY = "sk-canary93hGqLm20ZrTb"
ENDS = {"run_finished", "run_failed", "run_interrupted", "run_rejected"}

salts = itertools.count(1)

OTHERS = '''
"""Another pack: wraps the same functions as Safelight while packs load, and once more when ComfyUI serves."""

import execution
from aiohttp import web
from server import PromptServer

seen = {"early": 0, "late": 0}


def wrap(name):
    execute, put = execution.execute, execution.PromptQueue.put

    def counted(*args, **kwargs):
        seen[name] += 1
        return execute(*args, **kwargs)

    def passed_on(self, item):
        return put(self, item)

    execution.execute, execution.PromptQueue.put = counted, passed_on


wrap("early")


@PromptServer.instance.routes.post("/others")
async def late(request):
    wrap("late")
    return web.json_response(seen)


@PromptServer.instance.routes.get("/others")
async def read(request):
    return web.json_response(seen)


NODE_CLASS_MAPPINGS = {}
'''


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    with start(tmp_path_factory.mktemp("pack") / "comfyui") as comfyui:
        yield comfyui


def names(events: list[dict[str, Any]]) -> list[str]:
    """The events of a run but for what comes at its own time."""
    aside = {"resources_sampled", "output_saved", "log", "run_document", "node_progress"}
    return [event["event"] for event in events if event["event"] not in aside]


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def ended(comfyui: ComfyUI, workflow_id: str) -> list[dict[str, Any]]:
    """The events of a run that is over."""

    def there() -> list[dict[str, Any]] | None:
        found = comfyui.run(workflow_id)
        return found if any(event["event"] in ENDS for event in found) else None

    return eventually(there, within_s=30, what=f"the end of {workflow_id}")


def seen(said: dict[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """When a client learned of each node's first start, and of its end; in that order."""
    started: dict[str, float] = {}
    finished: dict[str, float] = {}
    running: set[str] = set()
    for at, message in said["messages"]:
        data = message.get("data") or {}
        if message["type"] == "executing" and data["node"] is not None:
            started.setdefault(data["node"], at)
        if message["type"] == "progress_state" and data["prompt_id"] == said["answer"]["prompt_id"]:
            states = {node_id: node["state"] for node_id, node in data["nodes"].items()}
            running |= {node_id for node_id, state in states.items() if state == "running"}
            for node_id in [one for one, state in states.items() if state == "finished" and one in running]:
                finished.setdefault(node_id, at)
    return started, finished


@pytest.mark.parametrize("name", ["ok", "cached", "shapes", "block", "fail-runtime", "oom", "many-nodes-flat"])
def test_each_node_starts_and_ends_as_the_submitting_client_saw(comfyui: ComfyUI, name: str):
    said = comfyui.submit(workflow(name, next(salts)))

    events = ended(comfyui, said["answer"]["prompt_id"])
    started, finished = seen(said)
    told_started, told_finished = of(events, "node_started"), of(events, "node_finished")
    assert [event["node_id"] for event in told_started] == list(started)
    assert [event["node_id"] for event in told_finished] == list(finished)
    for event in told_started:  # the message is sent after the node has started
        assert moment(event) <= started[event["node_id"]]
    for event in told_finished:
        assert moment(event) - event["duration_ms"] / 1e3 <= finished[event["node_id"]]
    followers = [(one, two) for one, two in itertools.pairwise(events) if two["event"] == "node_started"]
    for before, after in followers:  # a node is over before the client hears of the next
        if before["event"] == "node_finished":
            assert moment(before) <= started[after["node_id"]]


def test_a_prompt_without_a_client_is_told_as_one_with(comfyui: ComfyUI):
    with_client = comfyui.submit(workflow("ok", next(salts)))
    without = comfyui.submit(workflow("ok", next(salts)), listen=False)

    one, two = (ended(comfyui, said["answer"]["prompt_id"]) for said in (with_client, without))
    assert names(one) == names(two)
    assert names(two)[:2] == ["run_queued", "run_started"]
    assert names(two)[-1] == "run_finished"
    assert "client_id" in one[1] or "client_id" in of(one, "run_queued")[0]
    assert "client_id" not in of(two, "run_queued")[0]


def test_what_is_known_already_is_cached(comfyui: ComfyUI):
    prompt = workflow("ok", next(salts))
    comfyui.submit(prompt)
    again = comfyui.submit(prompt)

    events = ended(comfyui, again["answer"]["prompt_id"])
    assert names(events) == ["run_queued", "run_started", *["node_cached"] * 6, "run_finished"]
    assert of(events, "run_finished")[0]["cached"] == 6
    assert of(events, "run_document") == []  # kept once


def test_shapes_of_execution_are_told_as_they_are(comfyui: ComfyUI):
    said = comfyui.submit(workflow("shapes", next(salts)))

    events = ended(comfyui, said["answer"]["prompt_id"])
    finished = {event["node_id"]: event for event in of(events, "node_finished")}
    assert len(of(events, "node_started")) == len(finished) == 11
    waiting = finished["2"]  # asynchronous: a second of waiting, almost nothing of work
    assert waiting["duration_ms"] >= 1000 > 10 * waiting["active_ms"]
    lazy = finished["4"]  # started before what it waits for, over after it
    assert lazy["duration_ms"] >= waiting["duration_ms"] - 100
    inner = finished["5.0.0.1"]
    assert (inner["parent_id"], inner["display_id"], inner["node"]) == ("5", "5", "ImageInvert")
    assert finished["7"]["list_length"] == 3
    assert finished["6"]["inputs"] == {"image": "Tensor 1×64×64×3 float32 cpu", "n": 3}


def test_prints_of_asynchronous_nodes_are_theirs(comfyui: ComfyUI):
    said = comfyui.submit(workflow("shapes", next(salts)))

    events = ended(comfyui, said["answer"]["prompt_id"])
    printed = {event["message"]: event["node_id"] for event in of(events, "log") if "salt" in event["message"]}
    assert sorted(printed.values()) == ["2", "2", "3", "3"]


def test_a_blocked_node_is_a_warning_and_the_run_goes_on(comfyui: ComfyUI):
    said = comfyui.submit(workflow("block", next(salts)))

    events = ended(comfyui, said["answer"]["prompt_id"])
    [blocked] = of(events, "node_blocked")
    assert (blocked["level"], blocked["node"], blocked["message"]) == ("WARNING", "SaveImage", "blocked by lab")
    assert names(events)[-1] == "run_finished"


@pytest.mark.parametrize(
    ("name", "error_type"),
    [("fail-runtime", "RuntimeError"), ("oom", "torch.OutOfMemoryError"), ("oom-text", "RuntimeError")],
)
def test_a_failed_node_and_its_run_are_one_error(comfyui: ComfyUI, name: str, error_type: str):
    said = comfyui.submit(workflow(name, next(salts)))

    events = ended(comfyui, said["answer"]["prompt_id"])
    assert names(events)[-2:] == ["node_failed", "run_failed"]
    node, run = of(events, "node_failed")[0], of(events, "run_failed")[0]
    for field in ("node", "node_id", "error_type", "error_message"):
        assert node[field] == run[field]
    assert node["error_type"] == error_type
    assert node["traceback"].endswith(f"{error_type}: {node['error_message']}")
    assert node["inputs"]["image"].startswith("Tensor 1×64×64×3 float32 cpu 0")  # a failure looks at values too
    assert node["memory"]["ram_used_mb"] > 0
    errors = [event["event"] for event in events if event["level"] == "ERROR"]
    assert errors == ["node_failed"]  # neither the run's end nor ComfyUI's own report of it is a second alarm


def test_a_refused_prompt_says_which_node_and_why(comfyui: ComfyUI):
    before = len(of(comfyui.events(), "run_rejected"))
    for name in ("fail-validation", "fail-missing-ckpt", "fail-unknown-node"):
        assert comfyui.submit(workflow(name), headers={"comfy-user": "ada"})["status"] == 400

    def told() -> list[dict[str, Any]] | None:
        found = of(comfyui.events(), "run_rejected")[before:]
        return found if len(found) == 3 else None

    refused = eventually(told, within_s=10, what="three rejections")
    assert [event["node"] for event in refused] == ["ImageScale", "CheckpointLoaderSimple", "NoSuchNode"]
    assert [event["node_id"] for event in refused] == ["2", "1", "1"]
    assert [event["error_type"] for event in refused[:2]] == ["value_not_in_list"] * 2
    assert "missing.safetensors" in refused[1]["error_message"]
    assert {event["user_id"] for event in refused} == {"ada"}
    assert all(event["workflow_id"] and event["prompt_sha256"] for event in refused)


def test_a_body_that_is_no_prompt_is_refused_without_harm(comfyui: ComfyUI):
    before = len(of(comfyui.events(), "run_rejected"))
    for body in (b"", b"[]", b"{}", b'{"prompt": null}', b'{"prompt": {"1": 3}', b"\xff" * 100):
        assert httpx.post(f"{comfyui.url}/prompt", content=body).status_code >= 400
    eventually(lambda: len(of(comfyui.events(), "run_rejected")) == before + 6, within_s=10, what="six rejections")
    assert httpx.get(f"{comfyui.url}/safelight/state").json()["mistakes"] == {}


def test_a_prompt_of_which_a_part_is_refused_is_queued_with_its_errors(comfyui: ComfyUI):
    said = comfyui.submit(workflow("fail-validation-partial", next(salts)))

    events = ended(comfyui, said["answer"]["prompt_id"])
    [queued] = of(events, "run_queued")
    assert queued["node_errors"]["2"]["errors"][0]["type"] == "value_not_in_list"
    assert names(events)[-1] == "run_finished"


def test_an_interrupted_run_says_in_which_node(comfyui: ComfyUI):
    said = comfyui.submit(workflow("slow", next(salts)), interrupt_after_s=1.3)

    events = ended(comfyui, said["answer"]["prompt_id"])
    [end] = of(events, "run_interrupted")
    assert (end["level"], end["node"], end["node_id"]) == ("WARNING", "LabSleep", "2")
    assert names(events)[-1] == "run_interrupted"
    assert of(events, "node_progress")[0]["value"] == 1
    curve = of(events, "resources_sampled")[-1]["curve"]
    assert len(curve["at"]) == len(curve["ram_mb"]) > 0


def test_the_state_shows_a_node_that_hangs(comfyui: ComfyUI):
    prompt = workflow("hang", next(salts))
    prompt["2"]["inputs"]["seconds"] = 2.5
    client = comfyui.client(prompt)

    def hanging() -> dict[str, Any] | None:
        state: dict[str, Any] = httpx.get(f"{comfyui.url}/safelight/state").json()
        return state if state["run"] and any(node["node"] == "LabHang" for node in state["run"]["nodes"]) else None

    state = eventually(hanging, within_s=20, what="the node that hangs")
    assert state["worker_alive"] is True
    assert state["run"]["workflow_id"] == comfyui.answer(client)["answer"]["prompt_id"]


def test_two_at_once_are_told_apart_and_lose_nothing(comfyui: ComfyUI):
    clients = [comfyui.client(workflow("shapes", next(salts))) for _ in range(2)]
    said = [comfyui.answer(client) for client in clients]

    runs = [ended(comfyui, one["answer"]["prompt_id"]) for one in said]
    for one, events in zip(said, runs, strict=True):
        started, finished = seen(one)
        assert [event["node_id"] for event in of(events, "node_started")] == list(started)
        assert [event["node_id"] for event in of(events, "node_finished")] == list(finished)
        types = [message["type"] for _, message in one["messages"]]
        assert types.count("execution_start") == types.count("execution_success") == 1
    assert {of(events, "run_queued")[0]["queue_remaining"] for events in runs} == {1, 2}


def test_a_prompt_taken_out_of_the_queue_never_ran(comfyui: ComfyUI):
    first = comfyui.client(workflow("slow", next(salts)), interrupt_after_s=1.5)
    eventually(lambda: httpx.get(f"{comfyui.url}/queue").json()["queue_running"], within_s=20, what="it runs")
    second = httpx.post(f"{comfyui.url}/prompt", json={"prompt": workflow("ok", next(salts))}).json()["prompt_id"]
    httpx.post(f"{comfyui.url}/queue", json={"delete": [second]}).raise_for_status()

    assert names(ended(comfyui, second)) == ["run_queued", "run_interrupted"]
    comfyui.answer(first)


def test_a_saved_image_is_looked_at(comfyui: ComfyUI):
    said = comfyui.submit(workflow("ok", next(salts)))

    workflow_id = said["answer"]["prompt_id"]

    def saved() -> dict[str, dict[str, Any]] | None:
        found = {event["type"]: event for event in of(comfyui.run(workflow_id), "output_saved")}
        return found if len(found) == 2 else None

    files = eventually(saved, within_s=10, what="both files")
    assert (files["output"]["width"], files["output"]["height"]) == (96, 96)
    assert files["output"]["bytes"] == Path(files["output"]["path"]).stat().st_size


def test_documents_make_the_prompt_again(comfyui: ComfyUI):
    from safelight.comfyui.pack.document import canonical, sha256

    prompt = workflow("many-nodes-flat", next(salts))
    graph = {"id": "g", "nodes": [{"id": 1, "title": "雪" * 30_000}]}
    said = comfyui.submit(prompt, extra_data={"extra_pnginfo": {"workflow": graph}, "team": "portraits"})

    events = ended(comfyui, said["answer"]["prompt_id"])
    [queued] = of(events, "run_queued")
    for kind, value in {"prompt": prompt, "workflow": graph, "extra": {"team": "portraits"}}.items():
        documents = [event for event in of(events, "run_document") if event["kind"] == kind]
        text = "".join(event["text"] for event in sorted(documents, key=lambda event: event["part"]))
        assert text == canonical(value)
        assert sha256(text) == queued[f"{kind}_sha256"] == documents[0]["sha256"]
    assert queued["extra"] == {"team": "portraits"}


def test_no_secret_reaches_the_spool(tmp_path: Path):
    with start(tmp_path / "comfyui", arguments=("--comfy-api-base", f"https://ada:{SECRET}@localhost")) as comfyui:
        prompt = workflow("ok", next(salts))
        inputs = {"image": ["1", 0], "api_key": SECRET, "note": f"use {KEY} here"}
        prompt["2"] = {"class_type": "LabSecret", "inputs": inputs}
        said = comfyui.submit(
            prompt,
            headers={"Authorization": f"Bearer {SECRET}"},
            extra_data={
                "api_key_comfy_org": SECRET,
                "auth_token_comfy_org": SECRET,
                "nested": {"hf_token": SECRET, "list": [KEY]},
                "extra_pnginfo": {"workflow": {"id": "x", "nodes": [{"widgets_values": [SECRET, KEY]}]}},
            },
        )
        events = ended(comfyui, said["answer"]["prompt_id"])
        assert "2.inputs.api_key" in of(events, "run_queued")[0]["redacted"]
        assert [event["node"] for event in of(events, "node_finished")].count("LabSecret") == 1
    spool = b"".join(file.read_bytes() for file in comfyui.spool.glob("*/*"))
    assert SECRET.encode() not in spool
    assert KEY.encode() not in spool


def test_the_largest_prompts_neither_stop_comfyui_nor_are_kept(comfyui: ComfyUI):
    prompt = workflow("ok", next(salts))
    prompt["3"]["_meta"] = {"title": "x" * 60_000_000}
    stalls: list[float] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client() as client:
            while not done.is_set():
                began = time.monotonic()
                client.get(f"{comfyui.url}/system_stats", timeout=60)
                stalls.append(time.monotonic() - began)
                done.wait(0.01)

    asking = threading.Thread(target=ask)
    asking.start()
    answer = httpx.post(f"{comfyui.url}/prompt", json={"prompt": prompt}, timeout=120)
    events = ended(comfyui, answer.json()["prompt_id"])
    done.set()
    asking.join()
    [queued] = of(events, "run_queued")
    assert queued["prompt_omitted"] == "too large"
    assert "prompt_sha256" not in queued
    assert len(of(events, "node_finished")) == 6
    assert max(len(str(event)) for event in events) < 300_000
    print(f"\n60 MB prompt: the longest answer took {max(stalls) * 1e3:.0f} ms")


def test_a_graph_of_ten_thousand_nodes_is_told(comfyui: ComfyUI):
    base = next(salts) * 1_000_000
    prompt = {str(number): {"class_type": "LabSinkInt", "inputs": {"x": base + number}} for number in range(10_000)}
    # All of them would take ComfyUI itself many minutes: it repeats the progress of every node at every node.
    body = {"prompt": prompt, "partial_execution_targets": ["7", "9999"]}
    answer = httpx.post(f"{comfyui.url}/prompt", json=body, timeout=120)

    events = ended(comfyui, answer.json()["prompt_id"])
    [queued] = of(events, "run_queued")
    assert queued["node_count"] == 10_000
    documents = of(events, "run_document")
    assert sorted(event["part"] for event in documents) == list(range(documents[0]["parts"]))
    assert {event["node_id"] for event in of(events, "node_finished")} == {"7", "9999"}


def test_another_pack_may_wrap_the_same_functions(tmp_path: Path):
    with start(tmp_path / "comfyui", {"others": OTHERS}) as comfyui:
        first = comfyui.submit(workflow("ok", next(salts)))
        httpx.post(f"{comfyui.url}/others").raise_for_status()
        second = comfyui.submit(workflow("shapes", next(salts)))

        for said, nodes in ((first, 6), (second, 11)):
            events = ended(comfyui, said["answer"]["prompt_id"])
            assert len(of(events, "node_finished")) == nodes
            assert names(events).count("run_queued") == 1
        counted = httpx.get(f"{comfyui.url}/others").json()
        assert counted["early"] > counted["late"] > 11  # each was called once an attempt
        assert httpx.get(f"{comfyui.url}/safelight/state").json()["mistakes"] == {}


def test_a_node_that_ends_the_worker_leaves_a_failed_run_and_an_alarm(tmp_path: Path):
    with start(tmp_path / "comfyui") as comfyui:
        prompt = workflow("fail-runtime")
        prompt["2"]["inputs"]["kind"] = "keyboard"
        workflow_id = httpx.post(f"{comfyui.url}/prompt", json={"prompt": prompt}).json()["prompt_id"]

        events = ended(comfyui, workflow_id)
        assert names(events)[-2:] == ["node_failed", "run_failed"]
        assert of(events, "run_failed")[0]["error_type"] == "SystemExit"
        assert of(events, "run_failed")[0]["node"] == "LabRaise"
        [dead] = eventually(lambda: of(comfyui.events(), "worker_dead"), within_s=10, what="worker_dead")
        assert (dead["level"], dead["proof"].split(":")[0]) == ("ERROR", "SystemExit")
        assert httpx.get(f"{comfyui.url}/safelight/state").json()["worker_alive"] is False


def test_a_killed_comfyui_leaves_the_node_it_died_in(tmp_path: Path):
    with start(tmp_path / "comfyui") as comfyui:
        prompt = workflow("fail-runtime", next(salts))
        prompt["2"] = {"class_type": "LabKill", "inputs": {"image": ["1", 0], "salt": 0}}
        workflow_id = httpx.post(f"{comfyui.url}/prompt", json={"prompt": prompt}).json()["prompt_id"]
        comfyui.process.wait(timeout=30)

        events = comfyui.run(workflow_id)
        assert names(events)[-1] == "node_started"
        assert of(events, "node_started")[-1]["node"] == "LabKill"
