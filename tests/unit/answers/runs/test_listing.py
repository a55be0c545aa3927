"""The list of runs: which there are, in what state, how many; whoever told of them, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from safelight.answers import runs
from safelight.errors import QueryError
from safelight.store.segments import SegmentStore
from support.runs import KINDS, batch, stories, story

NOW = datetime.now(UTC).replace(microsecond=0)
STATES = {
    "failed": "failed",
    "oom": "failed",
    "interrupted": "interrupted",
    "rejected": "rejected",
    "lost": "lost",
    "lost-queued": "lost",
    "running": "running",
    "stuck": "running",
    "queued": "queued",
    "nodes-only": "unknown",
    "log-only": "unknown",
}


@pytest.fixture(scope="module")
def told():
    return {one.kind: one for one in stories(NOW)[24:]}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with SegmentStore.open(tmp_path_factory.mktemp("data")) as store:
        store.append(batch(event for one in stories(NOW) for event in one.events))
        yield store


@pytest.fixture
def holding(tmp_path):
    """`holding(*stories)`: a store of these alone."""
    opened = []

    def hold(*told):
        store = SegmentStore.open(tmp_path)
        opened.append(store)
        store.append(batch(event for one in told for event in one.events))
        return store

    yield hold
    for one in opened:
        one.close()


def by_id(store, **options):
    return {run["id"]: run for run in runs(store, limit=500, **options)["runs"]}


@pytest.fixture(scope="module")
def listed(store):
    return by_id(store)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_run_is_in_the_state_that_its_events_say(listed, told, kind):
    assert listed[told[kind].id]["state"] == STATES.get(kind, "finished")


def test_runs_come_newest_queued_first_and_page_without_gap_or_repeat(store):
    whole = [run["id"] for run in runs(store, limit=500)["runs"]]
    paged, cursor = [], None
    while True:
        answer = runs(store, limit=7, cursor=cursor)
        paged += [run["id"] for run in answer["runs"]]
        cursor = answer["cursor"]
        if cursor is None:
            break
    assert paged == whole
    assert len(set(whole)) == len(stories(NOW))
    times = [run["queued_at"] for run in runs(store, limit=500)["runs"] if run["queued_at"]]
    assert times == sorted(times, reverse=True)


def test_two_witnesses_of_a_run_double_nothing(listed, told):
    once, twice = listed[told["ok"].id], listed[told["twice"].id]
    assert twice["nodes"] == once["nodes"] == {"total": 7, "finished": 7, "cached": 0, "failed": 0}
    assert twice["outputs"] == once["outputs"] == 1
    assert twice["duration_ms"] == once["duration_ms"]


def test_a_run_thought_lost_that_is_then_found_finished_is_finished(listed, told):
    run = listed[told["found-later"].id]
    assert (run["state"], run["error"]) == ("finished", None)
    assert run["duration_ms"] == pytest.approx(8588, abs=1)


def test_what_a_node_expanded_into_is_not_counted_as_nodes_of_the_prompt(listed, told):
    assert listed[told["expanded"].id]["nodes"] == {"total": 7, "finished": 2, "cached": 5, "failed": 0}


def test_a_failure_is_told_with_its_group_and_its_node(listed, told):
    error = listed[told["oom"].id]["error"]
    assert error["group"] == "gpu_oom:VAEDecode"
    assert (error["node"], error["node_id"]) == ("VAEDecode", "8")
    assert error["message"].startswith("Allocation on device 0")


def test_a_running_run_says_where_it_is(listed, told):
    current = listed[told["running"].id]["current"]
    assert (current["node"], current["node_id"]) == ("KSampler", "3")
    assert (current["value"], current["max"]) == (11, 20)


def test_counts_are_of_all_states_and_facets_of_all_values_whatever_is_chosen(store):
    everything = runs(store, limit=500)
    failed = runs(store, state="failed,lost", instance="gpu-2:8188")
    assert {run["state"] for run in failed["runs"]} == {"failed", "lost"}
    assert {run["instance"] for run in failed["runs"]} == {"gpu-2:8188"}
    assert failed["counts"] == {"failed": 1, "lost": 2}
    assert sum(everything["counts"].values()) == len(everything["runs"])
    offered = {one["value"]: one["count"] for one in failed["facets"]["instance"]}
    assert offered["gpu-2:8188"] == 3
    assert offered["gpu-1:8188"] == 1  # the other failed one


@pytest.mark.parametrize(
    ("asked", "kinds"),
    [
        ({"user": "maria"}, {"failed"}),
        ({"workflow": "海报 4K"}, {"oom"}),
        ({"q": "4k"}, {"oom"}),
        ({"q": "TILED"}, {"expanded"}),
        ({"instance": "gpu-3:8188"}, {"stuck"}),
        ({"state": "queued"}, {"queued"}),
        ({"user": "nobody"}, set()),
    ],
)
def test_runs_are_found_by(store, told, asked, kinds):
    assert {run["id"] for run in runs(store, **asked)["runs"]} == {told[kind].id for kind in kinds}


def test_a_run_is_found_by_its_graph_hash_and_by_part_of_its_id(store, listed, told):
    wanted = listed[told["many"].id]
    assert wanted["workflow_name"] is None
    assert [run["id"] for run in runs(store, workflow=wanted["graph_hash"])["runs"]] == [wanted["id"]]
    assert [run["id"] for run in runs(store, q=wanted["id"][9:23])["runs"]] == [wanted["id"]]


def test_the_usual_time_is_the_median_of_the_runs_of_the_same_graph_before(holding):
    earlier = [story("ok", NOW - timedelta(hours=n), graph_hash="cafe") for n in (30, 3, 2, 1)]
    for ms, one in zip((1000.0, 2000.0, 4000.0, 900_000.0), earlier, strict=True):
        one.events[-1]["duration_ms"] = ms
    failed = story("failed", NOW - timedelta(hours=1.5), graph_hash="cafe")
    other = story("ok", NOW - timedelta(hours=1.4), graph_hash="beef")
    found = by_id(holding(*earlier, failed, other), start=None)
    assert found[failed.id]["usual_ms"] == 2000.0
    assert found[earlier[1].id]["usual_ms"] == 1000.0
    assert found[earlier[0].id]["usual_ms"] is None
    assert found[other.id]["usual_ms"] is None


def test_a_span_holds_the_runs_that_did_anything_in_it_and_began_before_its_end(holding):
    now = datetime.now(UTC)  # this file may have been read long ago
    long = story("running", now - timedelta(hours=2))
    long.events += [{**long.events[-1], "id": "late", "timestamp": now - timedelta(minutes=30)}]
    later = story("ok", now - timedelta(minutes=1))
    store = holding(long, later)
    inside = runs(store, start="now-1h", end="now-10m")["runs"]
    assert [run["id"] for run in inside] == [long.id]
    assert inside[0]["queued_at"].startswith((now - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S"))


def test_a_run_that_ended_after_the_span_is_not_shown_as_running(holding):
    run = story("ok", datetime.now(UTC) - timedelta(minutes=30))
    answer = runs(holding(run), end="now-29m59s")
    assert answer["counts"] == {"finished": 1}


def test_a_run_nobody_announced_is_running_while_its_nodes_are_recent(holding):
    run = story("nodes-only", datetime.now(UTC) - timedelta(seconds=20))
    assert runs(holding(run))["counts"] == {"running": 1}


def test_a_run_of_which_nothing_was_heard_for_a_week_is_not_taken_for_running(holding):
    run = story("running", NOW - timedelta(days=8))
    answer = runs(holding(run), start=None)
    assert answer["counts"] == {"unknown": 1}
    assert answer["runs"][0]["state"] == "unknown"
    assert answer["runs"][0]["current"] is None


def test_attributes_of_the_wrong_type_are_no_values(holding):
    run = story("ok", NOW - timedelta(minutes=1))
    for event in run.events:
        event.update({name: ["?"] for name in ("node_count", "queue_ms", "executed", "filename") if name in event})
    (found,) = runs(holding(run))["runs"]
    assert found["nodes"]["total"] is None
    assert found["queue_ms"] == 40.0  # from the times


def test_an_unknown_state_is_refused_with_the_known_ones(store):
    with pytest.raises(QueryError, match="finished"):
        runs(store, state="done")


@pytest.mark.parametrize("cursor", ["nonsense", "99999999999999999999.x"])
def test_a_cursor_of_somebody_elses_is_refused(store, cursor):
    with pytest.raises(QueryError):
        runs(store, cursor=cursor)
