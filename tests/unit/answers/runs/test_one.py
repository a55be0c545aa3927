"""One run with all that is known of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from safelight.answers import find, run, runs
from safelight.answers.runs.curve import MOST_POINTS, curve
from safelight.store.segments import SegmentStore
from support.runs import KINDS, batch, ledger, stories, story

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def told():
    return {one.kind: one for one in stories(NOW)[24:]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with SegmentStore.open(tmp_path_factory.mktemp("data")) as store:
        store.append(batch(event for one in stories(NOW) for event in one.events))
        yield store


@pytest.fixture(scope="module")
def asked(store, told):
    """`asked(kind)`: the answer about the run of that kind."""
    return cache(lambda kind: run(store, told[kind].documents.get, told[kind].id))


def node(found, node_id):
    return next(one for one in found["executions"] if one["node_id"] == node_id)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_has_an_answer_of_the_same_shape(asked, told, kind):
    found = asked(kind)
    assert found["id"] == told[kind].id
    assert found.keys() == asked("ok").keys()
    for one in found["executions"]:
        assert one.keys() == asked("ok")["executions"][0].keys()
        assert one["state"] in {"cached", "running", "finished", "failed", "interrupted"}
    starts = [one["offset_ms"] for one in found["executions"]]
    assert starts == sorted(starts)
    assert len(found["curve"]["offset_ms"]) <= MOST_POINTS


def test_a_node_has_its_times_loads_steps_and_memory(asked):
    sampler = node(asked("ok"), "3")
    assert sampler["duration_ms"] == 4600.0
    assert sampler["usual_ms"] == 4600.0
    assert [load["model"] for load in sampler["loads"]] == ["BaseModel"]
    assert sampler["loads"][0]["offset_ms"] == pytest.approx(sampler["offset_ms"], abs=0.01)
    assert len(sampler["steps"]) == 20
    assert sampler["steps"] == sorted(sampler["steps"])
    assert (sampler["value"], sampler["max"]) == (20, 20)
    assert sampler["vram_peak_mb"] > sampler["vram_before_mb"]
    assert sampler["inputs"]["seed"] == 156680208700286
    assert sampler["outputs"] == ["LATENT 1×4×64×64"]


def test_two_witnesses_double_no_node_load_step_or_file(asked):
    once, twice = asked("ok"), asked("twice")
    for name in ("node_id", "duration_ms", "loads", "state"):
        assert [one[name] for one in twice["executions"]] == [one[name] for one in once["executions"]]
    assert len(node(twice, "3")["steps"]) == 20
    assert len(twice["saved"]) == 1


def test_the_memory_of_an_out_of_memory_error_is_told_as_the_pack_wrote_it(asked):
    found = asked("oom")
    assert found["memory"] == ledger()
    failed = node(found, "8")
    assert failed["state"] == "failed"
    assert failed["error"]["type"] == "torch.OutOfMemoryError"
    assert "vae.decode" in failed["error"]["traceback"]


def test_a_node_that_was_cut_short_was_interrupted_and_lasted_until_then(asked):
    for kind in ("interrupted", "lost"):
        sampler = node(asked(kind), "3")
        assert sampler["state"] == "interrupted"
        assert sampler["duration_ms"] == pytest.approx(asked(kind)["duration_ms"], abs=1)


def test_a_lost_run_says_what_was_last_seen(asked):
    assert asked("lost")["lost"]["ram_used_mb"] == 61_870.0
    assert asked("lost")["lost"]["was"] == "running"
    assert asked("lost-queued")["lost"]["was"] == "queued"
    assert asked("ok")["lost"] is None


def test_a_lost_run_ended_when_it_was_last_heard_of_and_not_when_it_was_missed(asked):
    found = asked("lost")
    assert datetime.fromisoformat(found["ended_at"]) == datetime.fromisoformat(found["lost"]["last_seen_at"])
    lasted = datetime.fromisoformat(found["ended_at"]) - datetime.fromisoformat(found["started_at"])
    assert found["duration_ms"] == pytest.approx(lasted / timedelta(milliseconds=1), abs=1)


def test_a_running_node_has_no_duration_yet(asked):
    sampler = node(asked("running"), "3")
    assert (sampler["state"], sampler["duration_ms"]) == ("running", None)
    assert asked("running")["duration_ms"] is None


def test_a_node_that_expanded_stands_before_its_parts(asked):
    found = asked("expanded")
    whole = node(found, "5")
    parts = [one for one in found["executions"] if one["parent_id"] == "5"]
    assert [one["node_id"] for one in parts] == ["5.0.0.1", "5.0.0.2", "5.0.0.3"]
    assert whole["duration_ms"] >= sum(one["duration_ms"] for one in parts)
    assert whole["active_ms"] == 14


def test_a_lazy_node_that_starts_twice_is_one_execution_from_its_first_start(asked):
    found = asked("lazy")
    lazy = [one for one in found["executions"] if one["node_id"] == "10"]
    assert len(lazy) == 1
    assert lazy[0]["offset_ms"] < node(found, "8")["offset_ms"]


def test_async_nodes_overlap(asked):
    found = asked("async")
    starts = [node(found, each)["offset_ms"] for each in "123"]
    assert max(starts) < min(node(found, each)["duration_ms"] for each in "123")


def test_the_graph_stands_where_its_author_put_it(asked):
    graph = asked("ok")["graph"]
    assert graph["positioned"] is True
    sampler = next(one for one in graph["nodes"] if one["id"] == "3")
    assert (sampler["x"], sampler["y"], sampler["width"]) == (863, 186, 315)
    assert {"from": "4", "to": "8", "type": "VAE"} in graph["edges"]
    assert asked("many")["graph"]["positioned"] is False
    assert asked("nodes-only")["graph"] is None


def test_a_run_without_its_documents_has_no_graph_and_says_so(store, told):
    found = run(store, lambda _: None, told["ok"].id)
    assert found["graph"] is None
    assert found["prompt"]["kept"] is False
    assert len(found["prompt"]["sha256"]) == 64


@pytest.mark.parametrize(
    "text", ['{"cut', "[]", "7", '{"1":' * 5_000 + "1" + "}" * 5_000], ids=["cut", "list", "7", "deep"]
)
def test_a_document_that_is_no_graph_is_none(store, told, text):
    assert run(store, lambda _: text, told["ok"].id)["graph"] is None


@pytest.mark.parametrize(
    "at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)], ids=["first", "last"]
)
def test_a_run_at_an_end_of_the_calendar_is_a_run(tmp_path, at):
    end = {"event": "run_finished", "timestamp": at, "workflow_id": "w", "graph_hash": "g", "id": "e", "level": "INFO"}
    with SegmentStore.open(tmp_path) as alone:
        alone.append(batch([end]))
        assert run(alone, lambda _: None, "w")["state"] == "finished"
        assert [one["id"] for one in runs(alone, start=None)["runs"]] == ["w"]


def test_what_was_redacted_is_told_by_its_path(asked):
    assert asked("oom")["prompt"]["redacted"] == ["12.inputs.api_key"]


def test_validation_errors_are_told_by_node(asked):
    assert asked("rejected")["node_errors"]["4"]["errors"][0]["type"] == "value_not_in_list"
    assert list(asked("partial")["node_errors"]) == ["9"]
    assert asked("partial")["state"] == "finished"


def test_a_saved_image_has_an_address_and_other_files_have_none(store, told, tmp_path):
    assert run(store, lambda _: None, told["async"].id)["saved"][0]["check"] == "black"
    one = story("ok", NOW - timedelta(minutes=2), run_id="wf/1?x")
    one.events.insert(-1, {**one.named("output_saved")[0], "id": "second", "filename": "sound.flac"})
    with SegmentStore.open(tmp_path) as alone:
        alone.append(batch(one.events))
        image, sound = run(alone, one.documents.get, "wf/1?x")["saved"]
    assert image["url"] == "/api/v1/runs/wf%2F1%3Fx/outputs/0"
    assert (sound["index"], sound["url"]) == (1, None)
    assert "path" not in image


def test_a_run_of_ten_thousand_events_keeps_its_end_and_a_bounded_answer(tmp_path):
    one = story("ok", NOW - timedelta(minutes=30))
    begun = one.named("node_started")[0]
    progress = one.named("node_progress")[0]
    one.events[-1:-1] = [
        {**progress, "id": f"p{n}", "value": n, "timestamp": begun["timestamp"] + timedelta(milliseconds=n)}
        for n in range(10_000)
    ]
    with SegmentStore.open(tmp_path) as alone:
        alone.append(batch(one.events))
        found = run(alone, one.documents.get, one.id)
    assert found["state"] == "finished"
    sampler = node(found, "3")
    assert len(sampler["steps"]) <= 200
    assert len(found["executions"]) == 7


def test_five_hundred_nodes_are_all_there(asked):
    found = asked("many")
    assert len(found["executions"]) == len(found["graph"]["nodes"]) == 500
    assert found["nodes"] == {"total": 500, "finished": 500, "cached": 0, "failed": 0}


def test_a_curve_of_many_readings_keeps_every_peak():
    start = datetime(2026, 11, 22, tzinfo=UTC)
    at = [int(start.timestamp() * 1000) + 200 * n for n in range(30_000)]
    vram = [1000.0 + n % 13 for n in range(30_000)]
    vram[17_777] = 23_456.0
    reading = {"curve": {"at": at, "vram_mb": vram, "torch_mb": None, "ram_mb": vram[::-1], "vram_total_mb": 24_564}}
    found = curve([reading], start)
    assert len(found["offset_ms"]) <= MOST_POINTS
    assert max(found["vram_mb"]) == 23_456.0
    assert found["offset_ms"][found["vram_mb"].index(23_456.0)] == 200 * 17_777
    assert found["torch_mb"] is None
    assert found["vram_total_mb"] == 24_564
    assert found["offset_ms"][-1] == 200 * 29_999


@pytest.mark.parametrize(
    "said", [None, 7, {"at": 3}, {"at": ["x"], "vram_mb": 4}, {"at": [1], "vram_mb": []}, {"at": [True, 1e400]}]
)
def test_a_reading_that_is_none_is_passed_by(said):
    found = curve([{"curve": said}], NOW)
    assert found["vram_mb"] is None
    assert len(found["offset_ms"]) <= 1


def test_a_run_that_nobody_knows_is_none(store):
    assert run(store, lambda _: None, "no-such-run") is None


def test_the_beginning_of_an_id_finds_the_run_and_the_whole_id_only_itself(store, told, tmp_path):
    assert find(store, told["oom"].id[:8]) == [told["oom"].id]
    assert find(store, "zzz") == []
    with SegmentStore.open(tmp_path) as alone:
        for run_id in ("wf-1", "wf-10", "wf-11"):
            alone.append(batch(story("ok", NOW, run_id=run_id).events))
        assert find(alone, "wf-1") == ["wf-1"]
        assert find(alone, "wf-") == ["wf-1", "wf-10", "wf-11"]


def test_the_query_for_its_log_lines_quotes_the_id(tmp_path):
    one = story("ok", NOW, run_id='a"b\\c')
    with SegmentStore.open(tmp_path) as alone:
        alone.append(batch(one.events))
        assert run(alone, one.documents.get, one.id)["log_query"] == 'workflow_id:"a\\"b\\\\c"'
