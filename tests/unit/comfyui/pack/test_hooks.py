"""The hooks in ComfyUI's place: what becomes of a run, of its nodes, and of what goes wrong in ours."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import SimpleNamespace

import pytest

from safelight.comfyui.pack.worker import WORKER_DEAD
from support.comfyui_process import PENDING, ComfyUI, ExecutionResult, InterruptProcessingException

VERSIONS = ("0.27", "0.3.64", "0.1")
PROMPT = {
    "1": {"class_type": "Load", "inputs": {"name": "ada.png"}, "_meta": {"title": "Portrait"}},
    "2": {"class_type": "Save", "inputs": {"image": [3]}},
}


class Pack(SimpleNamespace):
    """Hooks around a stand-in of ComfyUI, and what they told."""


@pytest.fixture
def begin(pack, told, monkeypatch):
    """Puts the hooks around a ComfyUI, and takes them back."""
    begun = []

    def begin(comfyui):
        images = SimpleNamespace(saved=lambda *file: told("saved", "INFO", {"file": file}))
        sampler = SimpleNamespace(begin=lambda _: None, end=lambda: None, peak_mb_since=lambda _: None)
        memory = pack.memory.Memory()
        recorder = pack.recorder.Recorder(told, memory, sampler, images)
        submissions = pack.submission.Submissions(told, recorder.queued)
        watch = pack.worker.Watch(told)
        hooks = pack.hooks.Hooks(recorder, submissions, watch, told)
        begun.append(hooks)
        installed, missing = hooks.install()
        return Pack(recorder=recorder, hooks=hooks, watch=watch, installed=installed, missing=missing)

    pack.guard.mistakes.clear()
    monkeypatch.setattr(pack.guard, "_report", lambda hook, error: told("mistake", "WARNING", {"hook": hook}))
    yield begin
    for hooks in begun:
        hooks.remove()


@pytest.fixture(params=VERSIONS)
def comfyui(request, monkeypatch):
    comfyui = ComfyUI(monkeypatch, request.param)
    comfyui.classes = {"Load": lambda _: [["image"]], "Save": lambda _: {"ui": SAVED, "result": []}}
    return comfyui


SAVED = {"images": [{"filename": "a.png", "subfolder": "s", "type": "output"}]}


def names(told):
    return [one.event for one in told if one.event not in {"run_document", "saved"}]


def raising(error):
    def node(*_):
        raise error

    return node


def test_a_run_is_told_from_its_queueing_to_its_end(comfyui, begin, told):
    hooked = begin(comfyui)
    comfyui.run(PROMPT)
    expected = ["run_queued", "run_started", *["node_started", "node_finished"] * 2, "run_finished"]
    assert names(told) == expected
    first = told.of("node_finished")[0]
    assert (first["node"], first["node_id"], first["title"]) == ("Load", "1", "Portrait")
    assert first["inputs"] == {"name": "ada.png"}  # and not ComfyUI's own
    assert first["outputs"] == ["image"]
    assert 0 <= first["active_ms"] <= first["duration_ms"]
    assert told.of("run_finished")[0]["executed"] == 2
    assert [one["file"][:5] for one in told.of("saved")] == [("run-1", "2", "Save", "a.png", "s")]
    assert hooked.missing.keys() == ({"progress"} if comfyui.version == "0.1" else set())
    assert told.of("mistake") == []


def test_what_is_known_is_cached_and_told_once(comfyui, begin, told):
    begin(comfyui)
    comfyui.run(PROMPT)
    del told[:]
    comfyui.run(PROMPT, "run-2")
    assert names(told) == ["run_queued", "run_started", "node_cached", "node_cached", "run_finished"]
    assert told.of("run_finished")[0]["cached"] == 2
    assert told.of("run_document") == []


def test_a_node_that_becomes_known_while_the_run_lasts_is_cached(comfyui, begin, told):
    begin(comfyui)

    def load(_):
        entry = [["image"]]
        cache = comfyui.executor.caches.outputs
        getattr(cache, "entries", cache)["2"] = (
            SimpleNamespace(outputs=entry, ui=None) if comfyui.version == "0.27" else entry
        )
        return entry

    comfyui.classes["Load"] = load
    comfyui.run(PROMPT)
    assert names(told)[2:] == ["node_started", "node_finished", "node_cached", "run_finished"]


def test_a_node_of_several_attempts_starts_once_and_lasts_from_the_first(comfyui, begin, told):
    begin(comfyui)
    answers = iter([PENDING, PENDING, [["late"]]])
    comfyui.classes["Load"] = lambda _: next(answers)
    comfyui.run({"1": PROMPT["1"]})
    assert names(told)[2:] == ["node_started", "node_finished", "run_finished"]
    assert comfyui.calls == ["1", "1", "1"]


def test_nodes_that_grow_from_a_node_say_so(comfyui, begin, told):
    begin(comfyui)

    def load(_):
        if comfyui.graph.grown:
            return [["whole"]]
        comfyui.graph.grow("1.0.0.1", {"class_type": "Save", "inputs": {}}, "1")
        return PENDING

    comfyui.classes["Load"] = load
    comfyui.run({"1": PROMPT["1"]})
    grown = told.of("node_finished")[0]
    assert (grown["node_id"], grown["parent_id"], grown["display_id"]) == ("1.0.0.1", "1", "1")
    assert [event["node_id"] for event in told.of("node_finished")] == ["1.0.0.1", "1"]


def test_a_failure_is_told_with_everything_known_and_passed_on(comfyui, begin, told):
    begin(comfyui)
    comfyui.classes["Load"] = raising(ValueError("use hf_abcdefghijklmnop"))
    comfyui.run(PROMPT)
    assert names(told)[2:] == ["node_started", "node_failed", "run_failed"]
    failed, run = told.of("node_failed")[0], told.of("run_failed")[0]
    assert (failed["error_type"], failed["error_message"]) == ("ValueError", "use [REDACTED]")
    assert failed["traceback"].startswith("Traceback")
    assert "safelight/comfyui/pack" not in failed["traceback"]  # that passed it on and has no part in it
    assert "hf_abc" not in failed["traceback"]
    assert failed["memory"]["ram_used_mb"] > 0
    assert {name: run[name] for name in ("node", "node_id", "error_type", "error_message")} == {
        name: failed[name] for name in ("node", "node_id", "error_type", "error_message")
    }
    assert [one.level for one in told][-2:] == ["ERROR", "WARNING"]  # one failure is one error, however often told
    assert comfyui.executor.status_messages[-1][0] == "execution_error"


def test_a_secret_of_the_prompt_is_hidden_wherever_a_node_shows_it(comfyui, begin, told):
    begin(comfyui)
    secret = "correct-horse-battery"
    comfyui.classes["Load"] = lambda _: [[f"their {secret} back"]]
    comfyui.classes["Save"] = raising(ValueError(f"{secret} is no key"))
    comfyui.run({"1": {"class_type": "Load", "inputs": {"password": secret}}, "2": PROMPT["2"]})
    assert told.of("node_finished")[0]["outputs"] == ["their [REDACTED] back"]
    assert told.of("run_failed")[0]["error_message"] == "[REDACTED] is no key"
    assert not [one for one in told if secret in str(one.fields)]


def test_an_exception_that_cannot_be_printed_is_told_too(begin, told, monkeypatch):
    class Nameless(Exception):
        def __str__(self):
            raise RuntimeError

    recorder = begin(ComfyUI(monkeypatch)).recorder
    node = recorder.node(recorder.begin("run-1", PROMPT, None), "1", None)
    recorder.start(node)
    recorder.fail(node, Nameless())
    assert told.of("node_failed")[0]["error_message"] == "<Nameless, not printable>"


def test_who_held_the_memory_is_asked_before_comfyui_unloads(comfyui, begin, told):
    begin(comfyui)
    model = SimpleNamespace(
        model=SimpleNamespace(model=SimpleNamespace()), model_memory=lambda: 2**20, device="cuda:0", currently_used=True
    )

    def load(_):
        comfyui.manager.load_models_gpu([model])
        raise MemoryError

    comfyui.classes["Load"] = load
    comfyui.run(PROMPT)
    assert comfyui.models == []
    assert [one["model_mb"] for one in told.of("node_failed")[0]["memory"]["models"]] == [1.0]
    loaded = told.of("model_loaded")[0]
    assert (loaded["node_id"], loaded["workflow_id"], loaded["model_mb"], loaded["device"]) == (
        "1",
        "run-1",
        1.0,
        "cuda:0",
    )
    assert "load_ms" in loaded
    assert told.of("model_unloaded")[0]["node_id"] == "1"


def test_a_model_that_comfyui_drops_in_passing_is_told_at_the_next_look(comfyui, begin, told):
    begin(comfyui)
    first, second = (
        SimpleNamespace(model=SimpleNamespace(model=size), model_memory=lambda size=size: size * 2**20)
        for size in (1, 2)
    )
    comfyui.manager.load_models_gpu([first])
    comfyui.manager.load_models_gpu([])
    comfyui.models.remove(first)
    first.model = None
    comfyui.manager.load_models_gpu([second])
    assert [event["model_mb"] for event in told.of("model_loaded")] == [1.0, 2.0]
    assert [event["model_mb"] for event in told.of("model_unloaded")] == [1.0]


def test_an_interrupted_run_is_no_failure(comfyui, begin, told):
    begin(comfyui)
    comfyui.classes["Load"] = raising(InterruptProcessingException())
    comfyui.run(PROMPT)
    assert names(told)[2:] == ["node_started", "run_interrupted"]
    assert told.of("run_interrupted")[0]["node_id"] == "1"
    assert "duration_ms" not in told.of("run_interrupted")[0]


def test_what_ends_the_worker_goes_on_its_way_and_is_an_alarm(comfyui, begin, told):
    hooked = begin(comfyui)
    comfyui.classes["Load"] = raising(SystemExit(3))
    comfyui.put(PROMPT)
    out = []

    def worker():
        try:
            comfyui.work()
        except SystemExit as error:
            out.append(error.code)

    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    watching = [one for one in threading.enumerate() if one.name == "safelight-watch"]
    for one in watching:
        one.join(60)
    assert out == [3]
    assert names(told)[3:] == ["node_failed", "run_failed", "worker_dead"]
    assert told.of("run_failed")[0]["error_type"] == "SystemExit"
    assert told.of("worker_dead")[0]["error_message"] == WORKER_DEAD
    assert told.of("worker_dead")[0]["proof"] == "SystemExit: 3"
    assert hooked.watch.alive is False


def test_steps_are_told_at_their_first_their_last_and_once_a_second(comfyui, begin, told):
    if comfyui.version == "0.1":
        pytest.skip("no progress handlers then")
    begin(comfyui)

    def load(_):
        for step in range(1, 41):
            comfyui.step("1", step, 40)
        return [["image"]]

    comfyui.classes["Load"] = load
    comfyui.run({"1": PROMPT["1"]})
    assert [(event["value"], event["max"]) for event in told.of("node_progress")] == [(1, 40), (40, 40)]


def test_a_blocked_node_is_heard_of_through_the_page(comfyui, begin, told):
    begin(comfyui)

    def load(_):
        said = {"prompt_id": "run-1", "node_id": "1", "exception_type": "ExecutionBlocked"}
        comfyui.instance.send_sync("execution_error", {**said, "exception_message": "Execution Blocked: not now"}, None)
        return [["nothing"]]

    comfyui.classes["Load"] = load
    comfyui.run(PROMPT)
    assert told.of("node_blocked") == [
        {"workflow_id": "run-1", "node": "Load", "node_id": "1", "title": "Portrait", "message": "not now"}
    ]
    assert names(told)[-1] == "run_finished"
    assert len(comfyui.sent) == 1


def test_a_prompt_taken_out_of_the_queue_is_told_once(comfyui, begin, told):
    begin(comfyui)
    for number in range(3):
        comfyui.put(PROMPT, f"run-{number}")
    comfyui.queue.delete_queue_item(lambda item: item[1] == "run-1")
    comfyui.queue.delete_queue_item(lambda item: item[1] == "run-7")
    comfyui.queue.delete_queue_item(lambda item: item[1] == "run-0")
    comfyui.queue.delete_queue_item(lambda item: item[1] == "run-2")  # the last one: through wipe_queue
    assert [event["workflow_id"] for event in told.of("run_interrupted")] == ["run-1", "run-0", "run-2"]


@pytest.mark.parametrize("lost", [("progress",), ("node", "inputs"), ("executor",), ("executor", "messages"), ()])
@pytest.mark.parametrize("end", ["run_finished", "run_failed", "run_interrupted"])
def test_each_place_may_be_missing(comfyui, begin, told, pack, monkeypatch, lost, end):
    """A place is a module and what it installs: ("node", "inputs") is `node.install_inputs`."""
    if lost:
        name = "_".join(("install", *lost[1:]))
        monkeypatch.setattr(getattr(pack.hooks, lost[0]), name, raising(pack.hooks.Unavailable("gone")))
    error = {"run_failed": ValueError("no"), "run_interrupted": InterruptProcessingException()}.get(end)
    if error:
        comfyui.classes["Save"] = raising(error)
    hooked = begin(comfyui)
    assert set(lost[-1:]) <= hooked.missing.keys()
    comfyui.run(PROMPT)
    assert names(told)[:4] == ["run_queued", "run_started", "node_started", "node_finished"]
    assert names(told)[-1] == end
    assert hooked.recorder.run is None


def test_without_inputs_and_steps_a_node_is_told_when_it_is_over(comfyui, begin, told, pack, monkeypatch):
    for module, name in ((pack.hooks.progress, "install"), (pack.hooks.node, "install_inputs")):
        monkeypatch.setattr(module, name, lambda *_: [])
    begin(comfyui)
    comfyui.run(PROMPT)
    assert names(told)[2:] == [*["node_started", "node_finished"] * 2, "run_finished"]
    assert told.of("node_finished")[0]["duration_ms"] > 0


def test_a_comfyui_without_anything_is_no_reason_to_raise(monkeypatch, begin):
    comfyui = ComfyUI(monkeypatch)
    for name in ("execution", "server", "comfy.model_management", "comfy_execution.progress"):
        monkeypatch.delitem(sys.modules, name)
    hooked = begin(comfyui)
    assert hooked.installed == []
    assert "no module execution" in hooked.missing.values()


def test_mistakes_of_ours_change_nothing_and_are_told_once_each(comfyui, begin, told, pack, monkeypatch):
    hooked = begin(comfyui)
    for name in ("begin", "cached", "node", "start", "finish", "fail", "saved", "progress", "end", "took_inputs"):
        monkeypatch.setattr(hooked.recorder, name, raising_any(name))
    monkeypatch.setattr(pack.submission.Submissions, "queued", raising_any("queued"))
    hooked.recorder.run = pack.run.Run("run-1", PROMPT)
    for _ in range(2):
        comfyui.run(PROMPT)
    assert comfyui.calls == ["1", "2"]  # each once; the second run has them cached
    assert comfyui.executor.status_messages[-1][0] == "execution_success"
    hooks = [event["hook"] for event in told.of("mistake")]
    assert len(hooks) == len(set(hooks)) >= 3
    assert all(count >= 1 for count in pack.guard.mistakes.values())


def raising_any(name):
    def mistake(*_, **__):
        raise ZeroDivisionError(name)

    return mistake


@pytest.mark.parametrize("ours_first", [True, False])
def test_another_pack_may_wrap_before_and_after(comfyui, begin, told, ours_first):
    seen = []

    def theirs():
        execute, put = comfyui.execution.execute, comfyui.execution.PromptQueue.put

        def wrapper(*args, **kwargs):  # synchronous around a coroutine function, as many are
            seen.append(args[3])
            return execute(*args, **kwargs)

        def put_after(self, item):
            put(self, item)

        comfyui.execution.execute = wrapper
        comfyui.execution.PromptQueue.put = put_after

    if not ours_first:
        theirs()
    hooked = begin(comfyui)
    if ours_first:
        theirs()
    comfyui.run(PROMPT)
    assert seen == comfyui.calls == ["1", "2"]
    assert [event["node_id"] for event in told.of("node_finished")] == ["1", "2"]
    assert hooked.hooks.remove() is not ours_first


def test_hooks_taken_back_leave_nothing(comfyui, begin, told):
    before = dict(vars(comfyui.execution)), dict(vars(comfyui.execution.PromptExecutor))
    hooked = begin(comfyui)
    assert vars(comfyui.execution)["execute"] is not before[0]["execute"]
    assert hooked.hooks.remove()
    assert (dict(vars(comfyui.execution)), dict(vars(comfyui.execution.PromptExecutor))) == before
    comfyui.run(PROMPT)
    assert told == []


def test_what_a_node_is_called_with_is_let_go(comfyui, begin, pack):
    class Tensor:
        pass

    hooked = begin(comfyui)
    nodes = []

    def save(_):
        nodes.append(hooked.recorder.run.nodes["2"])
        return []

    comfyui.classes["Save"] = save
    comfyui.run({"2": {"class_type": "Save", "inputs": {"image": Tensor()}}})
    assert nodes[0].inputs is None
    assert "Tensor" in nodes[0].previews["image"]


def test_the_code_of_a_node_knows_whose_it_is_in_tasks_and_not_in_other_threads(comfyui, begin, pack):
    begin(comfyui)
    seen = []

    def load(_):
        seen.append(pack.run.current())
        other = threading.Thread(target=lambda: seen.append(pack.run.current()))
        other.start()
        other.join()
        if comfyui.version != "0.1":
            later.append(asyncio.get_running_loop().create_task(remember()))
        return [["image"]]

    async def remember():
        seen.append(pack.run.current())

    later = []
    comfyui.classes["Load"] = load
    comfyui.run(PROMPT)
    assert seen[:2] == [("run-1", "Load", "1"), None]
    assert seen[2:] in ([], [("run-1", "Load", "1")])
    assert pack.run.current() is None


def test_the_result_is_the_originals(comfyui, begin):
    begin(comfyui)
    caches = comfyui.executor.caches
    comfyui.classes["Load"] = lambda _: PENDING
    graph = SimpleNamespace(get_node=lambda _: PROMPT["1"])
    tail = () if comfyui.version == "0.1" else ({},)
    result = comfyui.execution.execute(None, graph, caches, "1", {}, set(), "nobody's", None, {}, *tail)
    if asyncio.iscoroutine(result):
        result = asyncio.run(result)
    assert result == (ExecutionResult.PENDING, None, None)
