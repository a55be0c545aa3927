"""What the watcher makes of two looks: each case is a row of snapshots."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.comfyui.pack.worker import WORKER_DEAD
from safelight.comfyui.watch.snapshot import Ended, Pack, Prompt, Snapshot
from safelight.comfyui.watch.state import MOST_ENDED, State
from safelight.comfyui.watch.telling import Teller
from safelight.comfyui.watch.watcher import Watcher
from safelight.event import IMPORTED

T0 = 1_795_313_300_000  # ms
GRAPH = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "api_key": "sk-canary-0123456789"}},
    "2": {"class_type": "LabRaise", "inputs": {"image": ["1", 0]}, "_meta": {"title": "Breaks"}},
    "5": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "portrait"}},
    "6": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


def prompt(run_id: str, **extra: Any) -> Prompt:
    made = Prompt.of([1, run_id, GRAPH, extra, ["5", "6"]])
    assert made
    return made


def ended(run_id: str, *messages: list[Any], status: str = "success", **outputs: Any) -> Ended:
    said = [["execution_start", {"timestamp": T0}], ["execution_cached", {"nodes": ["1"], "timestamp": T0}], *messages]
    entry = {"prompt": [1, run_id, GRAPH, {}, ["5", "6"]], "outputs": outputs}
    made = Ended.of(run_id, entry | {"status": {"status_str": status, "messages": said}})
    assert made
    return made


def finished(run_id: str) -> Ended:
    images = {"images": [{"filename": f"{run_id}.png", "subfolder": "", "type": "output"}], "text": ["no file"]}
    return ended(run_id, ["execution_success", {"timestamp": T0 + 250}], **{"5": images})


def failed(run_id: str, **said: Any) -> Ended:
    message = {"node_id": "2", "node_type": "LabRaise", "exception_type": "RuntimeError", "timestamp": T0 + 250}
    message |= {"exception_message": "lab failure\n", "traceback": ['  File "x.py", line 1, in execute\n']} | said
    return ended(run_id, ["execution_error", message], status="error")


def interrupted(run_id: str) -> Ended:
    said = {"node_id": "2", "node_type": "LabRaise", "timestamp": T0 + 250}
    return ended(run_id, ["execution_interrupted", said], status="error")


def at(second: float, *, running: tuple[str, ...] = (), pending: tuple[str, ...] = (), **more: Any) -> Snapshot:
    now = T0 + int(second * 1000)
    return Snapshot(now, tuple(map(prompt, running)), tuple(map(prompt, pending)), **more)


def watcher(state: State | None = None, *, local: bool = True) -> Watcher:
    return Watcher(Teller("comfyui:here", {"service": "comfyui"}), state or State(), local=local, stuck_after_s=600)


def told(events: list[dict[str, Any]]) -> list[str]:
    """Run and event, without documents."""
    return [
        f"{event.get('workflow_id', '')} {event['event']}".strip()
        for event in events
        if event["event"] not in {"run_document", "node_cached", "output_saved"}
    ]


def met(*looks: Snapshot, local: bool = True, **how: Any) -> tuple[Watcher, list[dict[str, Any]]]:
    """A watcher that has seen an empty ComfyUI, and what it told of these looks."""
    watch = watcher(local=local)
    assert watch.look(at(0), **how) == []
    return watch, [event for look in looks for event in watch.look(look, **how)]


def only(events: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [event for event in events if event["event"] == name]
    return found


def test_a_run_is_told_from_the_queue_to_its_outputs():
    _, events = met(at(1, pending=("a",)), at(2, running=("a",)), at(3, ended=(finished("a"),)))
    assert told(events) == ["a run_queued", "a run_started", "a run_finished"]
    assert only(events, "node_cached")["node"] == "EmptyImage"
    saved = only(events, "output_saved")
    assert (saved["node"], saved["filename"], saved["check"]) == ("SaveImage", "a.png", "unchecked")
    assert only(events, "run_finished")["duration_ms"] == 250
    assert only(events, "run_started")["queue_ms"] == 1000


def test_a_run_that_nobody_saw_is_told_whole_from_the_history():
    _, events = met(at(1, ended=(finished("a"),)))
    assert told(events) == ["a run_queued", "a run_started", "a run_finished"]
    assert "queue_ms" not in only(events, "run_started")


def test_what_was_submitted_is_kept_without_its_secrets():
    _, events = met(at(1, pending=("a",)))
    queued = only(events, "run_queued")
    documents = [event for event in events if event["event"] == "run_document"]
    assert queued["prompt_sha256"] == documents[0]["sha256"]
    assert queued["redacted"] == ["1.inputs.api_key"]
    assert queued["workflow_name"] == "portrait"
    assert queued["node_count"] == 4
    assert "sk-canary" not in json.dumps(events)


def test_the_same_document_is_told_once_an_hour():
    _, events = met(at(1, pending=("a",)), at(2, pending=("a", "b")), at(4000, pending=("a", "b", "c")))
    assert [e["workflow_id"] for e in events if e["event"] == "run_document"] == ["a", "c"]


def test_a_failure_has_its_node_exception_and_traceback():
    _, events = met(at(1, running=("a",)), at(2, ended=(failed("a"),)))
    node, run = only(events, "node_failed"), only(events, "run_failed")
    assert told(events)[-2:] == ["a node_failed", "a run_failed"]
    assert (node["level"], run["level"]) == ("ERROR", "WARNING")  # one failure is one error, however often told
    for event in (node, run):
        assert (event["node"], event["node_id"]) == ("LabRaise", "2")
        assert (event["error_type"], event["error_message"]) == ("RuntimeError", "lab failure")
    assert node["traceback"].splitlines()[0] == "Traceback (most recent call last):"
    assert node["traceback"].splitlines()[-1] == "RuntimeError: lab failure"
    assert run["ran_ms"] == 250
    assert "duration_ms" not in run


def test_comfyuis_advice_is_no_part_of_the_exception():
    said = "CUDA out of memory. Tried 2 GiB.\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the ..."
    run = failed("a", exception_type="torch.OutOfMemoryError", exception_message=said)
    _, events = met(at(1, ended=(run,)))
    assert only(events, "node_failed")["error_message"] == "CUDA out of memory. Tried 2 GiB."


def test_an_interruption_is_no_failure_whatever_its_status():
    _, events = met(at(1, running=("a",)), at(2, ended=(interrupted("a"),)))
    assert told(events)[-1] == "a run_interrupted"
    assert only(events, "run_interrupted")["node"] == "LabRaise"


def test_a_blocked_node_does_not_make_a_run_fail():
    run = ended("a", ["execution_error", {"exception_type": "ExecutionBlocked"}], ["execution_success", {}])
    _, events = met(at(1, ended=(run,)))
    assert told(events)[-1] == "a run_finished"


def test_outputs_that_failed_validation_are_named_when_the_rest_runs():
    partial = Prompt.of([1, "a", GRAPH, {}, ["6"]])
    assert partial
    look = Snapshot(T0, pending=(partial,), output_classes=frozenset({"SaveImage", "PreviewImage"}))
    _, events = met(look)
    assert only(events, "run_queued")["level"] == "WARNING"
    assert list(only(events, "run_queued")["node_errors"]) == ["5"]


def test_what_ended_before_the_first_look_is_history_that_no_rule_judges():
    watch = watcher()
    events = watch.look(at(0, ended=(failed("a"),), running=("b",)))
    assert told(events) == [
        "a run_queued",
        "a run_started",
        "a node_failed",
        "a run_failed",
        "b run_queued",
        "b run_started",
    ]
    assert [event["id"].startswith(IMPORTED) for event in events] == [event["workflow_id"] == "a" for event in events]


def test_a_prompt_taken_out_of_the_queue_is_not_lost():
    _, events = met(at(1, running=("a",), pending=("b",)), at(2, running=("a",)))
    assert told(events)[-1] == "b run_interrupted"
    assert only(events, "run_interrupted")["was"] == "queued"


def test_a_run_that_left_no_trace_is_lost():
    _, events = met(at(1, running=("a",)), at(2))
    assert told(events)[-1] == "a run_lost"


def test_a_process_that_is_gone_takes_its_runs_with_it_and_they_are_lost_once():
    watch, events = met(at(1, running=("a",), pending=("b",)))
    watch.moved("a", T0 + 1500, "KSampler", "3")
    for second in (2, 3, 4.1, 7.5, 20):
        events += watch.failed(T0 + int(second * 1000), unreachable=True, reason="refused")
    lost = [event for event in events if event["event"] == "run_lost"]
    assert told(events)[-3:] == ["instance_unreachable", "a run_lost", "b run_lost"]
    assert [(event["was"], event.get("node")) for event in lost] == [("running", "KSampler"), ("queued", None)]
    again = watch.look(at(30))
    assert told(again) == ["instance_recovered", "instance_restarted"]


def test_far_away_a_silent_network_loses_nothing():
    watch, events = met(at(1, running=("a",)), local=False)
    for second in (2, 60, 600):
        events += watch.failed(T0 + second * 1000, unreachable=True, reason="no route")
    assert told(events)[-1] == "instance_unreachable"
    assert told(watch.look(at(700, running=("a",)))) == ["instance_recovered", "a run_stuck"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((finished("z"),), {"continues": False}, id="history emptied"),
        pytest.param((finished("z"),), {"build": "another"}, id="another build"),
        pytest.param((), {}, id="queue emptied"),
    ],
)
def test_a_restart_between_two_looks_is_noticed(before, after):
    watch, events = met(at(1, build="one", ended=before), at(2, running=("a",)), local=False)
    watch.doubt()
    events = watch.look(at(3, **after))
    assert told(events) == ["instance_restarted", "a run_lost"]


def test_the_pack_tells_one_process_from_another():
    watch, _ = met(at(1, pack=Pack(process="here:7")), silent=True)
    assert watch.look(at(2, pack=Pack(process="here:7")), silent=True) == []
    assert told(watch.look(at(3, pack=Pack(process="here:8")), silent=True)) == ["instance_restarted"]


def test_a_restart_is_told_once_however_often_it_is_doubted():
    watch, _ = met(at(1, ended=(finished("z"),)))
    for second, expected in ((2, ["instance_restarted"]), (3, [])):
        watch.doubt()
        assert told(watch.look(at(second, continues=not watch.state.ended))) == expected


def test_a_queue_that_its_user_emptied_is_no_restart():
    watch, _ = met(at(1, ended=(finished("z"),)), at(2, pending=("a",)))
    watch.doubt()
    assert told(watch.look(at(3))) == ["a run_interrupted"]


def test_a_history_that_its_user_cleared_is_no_restart():
    watch, _ = met(at(1, ended=(finished("z"),)))
    assert watch.look(at(2, continues=False)) == []


def test_an_answer_that_is_late_is_not_an_absence():
    watch, _ = met()
    assert watch.failed(T0 + 1000, unreachable=False, reason="silent") == []
    assert watch.failed(T0 + 30_000, unreachable=False, reason="silent") == []
    assert told(watch.failed(T0 + 62_000, unreachable=False, reason="silent")) == ["instance_unreachable"]
    assert watch.failed(T0 + 63_000, unreachable=False, reason="silent") == []


def test_a_restart_is_a_warning_and_one_that_stays_away_an_error_once():
    watch, _ = met(at(1))
    levels = [
        [event["level"] for event in watch.failed(T0 + second * 1000, unreachable=True, reason="refused")]
        for second in (2, 4, 30, 62, 90)
    ]
    assert levels == [[], ["WARNING"], [], ["ERROR"], []]
    assert told(watch.look(at(100))) == ["instance_recovered", "instance_restarted"]
    again = [watch.failed(T0 + second * 1000, unreachable=True, reason="refused") for second in (110, 112)]
    assert [event["level"] for events in again for event in events] == ["WARNING"]


def test_one_that_was_never_seen_is_not_missed():
    watch = watcher()
    assert watch.failed(T0, unreachable=True, reason="refused") == []
    assert watch.failed(T0 + 60_000, unreachable=True, reason="refused") == []


def test_a_run_that_does_not_move_is_stuck_once():
    watch, _ = met(at(1, running=("a",)))
    assert watch.look(at(500, running=("a",))) == []
    watch.moved("a", T0 + 550_000, "LabHang", "2")
    assert watch.look(at(1100, running=("a",))) == []
    stuck = watch.look(at(1151, running=("a",)))
    assert told(stuck) == ["a run_stuck"]
    assert (stuck[0]["node"], stuck[0]["since"]) == ("LabHang", "2026-11-22T02:17:30+00:00")
    assert watch.look(at(5000, running=("a",))) == []


def test_prompts_that_nobody_takes_mean_a_dead_worker():
    watch, events = met(at(1, pending=("a",)), at(5, pending=("a",)))
    assert told(events) == ["a run_queued"]
    dead = watch.look(at(12, pending=("a",)))
    assert told(dead) == ["worker_dead"]
    assert dead[0]["error_message"] == WORKER_DEAD  # in the words of the pack: one alert, whoever tells
    assert watch.look(at(60, pending=("a",))) == []
    assert watch.look(at(61, running=("a",)))
    assert told(watch.look(at(62, ended=(finished("a"),)))) == ["a run_finished"]
    assert not watch.state.dead


def test_the_pack_inside_knows_at_once_that_the_worker_is_dead():
    _, events = met(at(1, running=("a",), pack=Pack(worker_alive=False)), silent=True)
    assert told(events) == ["worker_dead"]


def test_with_the_pack_speaking_only_the_outside_is_told():
    pack = Pack(worker_alive=True, run_id="a", at="node 2", node="LabHang", node_id="2")
    looks = [at(1, running=("a",), pending=("b",), pack=pack), at(700, running=("a",), pending=("b",), pack=pack)]
    watch, events = met(*looks, silent=True)
    assert told(events) == ["a run_stuck"]
    assert events[0]["node"] == "LabHang"
    gone = [watch.failed(T0 + second * 1000, unreachable=True, reason="") for second in (701, 704, 710)]
    assert [told(events) for events in gone] == [[], ["instance_unreachable"], []]
    assert told(watch.look(at(720), silent=True)) == ["instance_recovered", "instance_restarted"]


def test_what_the_pack_told_is_not_told_again_when_it_falls_silent():
    watch, _ = met(at(1, running=("a",)), silent=True)
    assert told(watch.look(at(2, ended=(finished("z"), finished("a")), running=("b",)))) == [
        "b run_queued",
        "b run_started",
    ]
    assert told(watch.look(at(3, ended=(finished("b"),)))) == ["b run_finished"]


STORY = [
    at(0),
    at(1, pending=("a",)),
    at(2, running=("a",), pending=("b", "c")),
    at(3, running=("b",), pending=("c",), ended=(finished("a"),)),
    at(4, pending=(), ended=(failed("b"), interrupted("c"))),
    at(5, ended=(finished("d"),)),
    at(6, running=("e",), pending=("f",)),
    at(7, continues=False, build="another"),
    at(8, running=("g",)),
    at(9, ended=(finished("g"),)),
]


def watched(looks: list[Snapshot], cuts: set[int] = frozenset()) -> list[dict[str, Any]]:  # type: ignore[assignment]
    """The story, Safelight being restarted before each of the looks in `cuts`."""
    watch, events = watcher(), []
    for number, look in enumerate(looks):
        if number in cuts:
            watch = watcher(State.parse(watch.state.dump()))
        if look.build:
            watch.doubt()
        events += watch.look(look)
    return events


def known(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["id"] for event in events if event["event"] != "run_document")


@given(st.sets(st.integers(1, len(STORY) - 1)))
@settings(max_examples=60, deadline=None)
def test_restarting_safelight_anywhere_tells_nothing_twice_and_leaves_nothing_out(cuts):
    whole, cut = known(watched(STORY)), known(watched(STORY, cuts))
    assert cut == whole
    assert max(cut.values()) == 1


@pytest.mark.parametrize("down", range(1, 5))
def test_what_ended_while_safelight_was_down_is_told_once(down):
    before = watched(STORY[: down + 1])
    watch, state = watcher(), State()
    for look in STORY[: down + 1]:
        watch.look(look)
    state = State.parse(watch.state.dump())
    everything = (finished("a"), failed("b"), interrupted("c"), finished("d"))
    news = [run for run in everything if run.prompt.run_id not in state.ended]
    watch = watcher(state)
    after = watch.look(at(60, ended=tuple(news))) + watch.look(at(61))
    ends = [
        line for line in told(before + after) if line.split()[1] in {"run_finished", "run_failed", "run_interrupted"}
    ]
    assert sorted(ends) == ["a run_finished", "b run_failed", "c run_interrupted", "d run_finished"]
    assert "instance_restarted" not in told(after)


def test_told_again_it_is_the_same_event():
    first, second = watched(STORY), watched(STORY)
    assert [event["id"] for event in first] == [event["id"] for event in second]


def test_what_must_survive_is_small():
    watch, _ = met(at(1, ended=tuple(finished(f"run-{number}") for number in range(500))))
    assert len(watch.state.ended) == MOST_ENDED
    assert len(watch.state.dump()) < 2000


@pytest.mark.parametrize("text", [None, "", "nonsense", "[]", '{"active": 1}', '{"unheard": true, "active": {}}'])
def test_a_checkpoint_of_another_shape_begins_anew(text):
    assert State.parse(text) == State()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["status", "messages", "prompt"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
messages = st.lists(st.tuples(st.sampled_from(["execution_error", "execution_start", "execution_cached"]), json_values))


@given(json_values, messages, json_values, json_values)
@settings(max_examples=150, deadline=None)
def test_no_answer_of_any_shape_breaks_the_watcher(item, said, outputs, status):
    tuples = [list(message) for message in said]
    entries = [item, {"prompt": item, "status": {"messages": tuples, "status_str": status}, "outputs": outputs}]
    runs = [run for number, entry in enumerate(entries) if (run := Ended.of(f"r{number}", entry))]
    queued = [made for value in (item, [1, "q", item, status, outputs]) if (made := Prompt.of(value))]
    watch = watcher()
    watch.look(at(0))
    looks = Snapshot(T0, tuple(queued), (), tuple(runs), pack=Pack.of(item if isinstance(item, dict) else {}))
    json.dumps(watch.look(looks))


def test_an_id_that_is_half_a_surrogate_pair_is_told_like_any_other():
    watcher = Watcher(Teller("k", {}), State(), local=True, stuck_after_s=600)
    told = watcher.look(at(0, pending=("\ud800", "run-2")))
    assert len({event["id"] for event in told if event["event"] == "run_queued"}) == 2
