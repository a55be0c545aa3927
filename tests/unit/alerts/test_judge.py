"""Judging as a whole: the same live, after a restart and in a back-test; steps that come to nothing; what it costs."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from safelight.alerts import costs as measured
from safelight.alerts import judge as judging
from safelight.alerts.costs import Costs
from safelight.alerts.judge import IDLE, Judge
from safelight.alerts.rule import Rule
from safelight.alerts.watch import LABELS_MAX
from safelight.alerts.watch import feed as feeding
from safelight.batch import Batch
from safelight.errors import QueryError, QueryTooCostly
from safelight.store.segments import SegmentStore
from support.judging import START, Judging, event, past, rules_of, run, second

KINDS = (
    "more than 2 level:ERROR by service over 1m",
    "fewer than 2 event:image_processed over 1m",
    "fewer than 2 * by instance over 1m",
    "failure rate > 40% over 2m, at least 2 runs",
    "rate of level:ERROR among * by instance > 30% over 1m",
    "mean duration_ms by node > 2s over 2m",
    "p50 duration_ms > 2s over 1m",
    "max duration_ms > 5s over 1m",
    "2 failures in a row",
    "no events from photo for 40s",
    "run takes > 20s",
    "node takes > 20s",
    "run shows no progress for 30s",
    "duration_ms by node 2x its usual over 1m",
    "new error group",
    "gpu.temperature_c > 87 for 10s",
    "queue empties after 20s",
)
HAPPENINGS = st.one_of(
    st.builds(
        run,
        st.sampled_from(
            ["run_queued", "run_started", "run_finished", "run_failed", "run_lost", "node_started", "node_finished",
             "node_progress", "image_processed", "processing_failed"]
        ),
        st.sampled_from(["a", "b"]),
        instance=st.sampled_from(["gpu-1", "gpu-2"]),
        level=st.sampled_from(["INFO", "ERROR"]),
        node=st.sampled_from([None, "KSampler"]),
        duration_ms=st.sampled_from([None, 100.0, 3000.0, 25_000.0]),
        error_group=st.sampled_from([None, "oom:X", "dtype:Y"]),
    ),
    st.builds(
        lambda celsius, service: event(
            service=service, host="box", attributes=json.dumps({"gpu": {"index": 0, "temperature_c": celsius}})
        ),
        st.sampled_from([80, 90]),
        st.sampled_from(["photo", "other"]),
    ),
)  # fmt: skip
STOOD_STILL = [
    (16, run("run_started", "b", instance="gpu-2")),
    (38, run("run_started", "b", instance="gpu-1")),
    (21, event(service="other")),
]
"""A run that was told of as standing still, and is heard of again before the restart."""
HISTORIES = st.lists(st.tuples(st.integers(1, 25), HAPPENINGS), min_size=3, max_size=14)


@settings(  # shrinking a night of 17 rules takes minutes
    max_examples=5,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=HISTORIES, restarts=st.sets(st.integers(0, 13), max_size=3))
@example(history=STOOD_STILL, restarts={2})
def test_live_restarted_and_back_tested_rules_say_the_same(tmp_path_factory, history, restarts):
    store = SegmentStore.open(tmp_path_factory.mktemp("store"))
    try:
        store.append(Batch.of([event(timestamp=second(-3600), service="before", host="far")]))
        live = Judging(store, KINDS, watched=-3600)
        again = Judging(store, KINDS, watched=-3600)
        time = 5
        for number, (gap, happening) in enumerate(history):
            time += gap
            for night in (live, again):
                night.until(time)
            live.commit({"timestamp": live.now, **happening, "id": f"{time}-{number}"})
            for night in (live, again):
                night.step()
            if number in restarts:
                again.restart()
        for night in (live, again):
            night.until(time + 200)
        assert {id_: ordered(said) for id_, said in again.said.items()} == {
            id_: ordered(said) for id_, said in live.said.items()
        }
        for rule in live.rules:
            tested = past(store, rule, 0, time + 200)
            assert ordered(tested) == ordered(live.said[rule.id]), str(rule.when)
    finally:
        store.close()


def ordered(said):
    """What happened at one tick has no order. A back-test looks at its first moment already, a server 5 s later."""
    return sorted((max(at, 5.0), sorted(map(str, sets))) for at, sets in said)


@pytest.fixture
def store(tmp_path):
    opened = SegmentStore.open(tmp_path)
    yield opened
    opened.close()


def test_a_step_that_came_to_nothing_finds_the_same_again(store):
    night = Judging(store, ["any level:ERROR", "run takes > 2s", "more than 0 level:ERROR over 1m", "new error group"])
    night.accepting = False
    night.at(1, run("run_failed", level="ERROR", duration_ms=9000.0, error_group="oom:X"))
    night.now = second(5)
    first, second_time = night.step(), night.step()
    assert [hit.rule.id for hit in first.hits] == ["r0", "r1", "r3"]
    assert first == second_time
    night.accepting = True
    night.step()
    night.now = second(10)
    after = night.step()
    assert not after.hits
    assert not [standing for standing in after.standing if standing.rule.id != "r2"]


def test_nothing_is_asked_at_rest(store, monkeypatch):
    night = Judging(store, [*KINDS, "any level:ERROR"], watched=-3600)
    night.at(1, run("run_finished", duration_ms=100.0))
    night.until(400)
    asked = []
    monkeypatch.setattr(feeding, "feed", lambda *_: asked.append(1))
    monkeypatch.setattr(judging, "feed", lambda *_: asked.append(1))
    night.until(1000)
    assert not asked


def test_without_anything_that_ages_nothing_is_due(store):
    night = Judging(store, ["any level:ERROR", "more than 3 level:ERROR over 1m"])
    night.until(10)
    assert night.judge.next_due(night.now) == night.now + IDLE
    night.at(11, event(level="ERROR"))
    assert night.judge.next_due(night.now) == second(15)


def test_what_came_due_while_nobody_looked_is_told_after_the_restart(store):
    night = Judging(store, ["run takes > 30s"])
    night.at(10, run("run_started"))
    night.until(20)
    night.judge = Judge(store, night.rules, now=second(100), upto_seq=night.seq, held=night.held, looked_at=second(20))
    night.until(101)
    assert [len(night.hits), night.hits[0].labels] == [1, {"service": "photo", "instance": "gpu-1"}]
    night.judge = Judge(store, night.rules, now=second(200), upto_seq=night.seq, held=night.held, looked_at=second(101))
    night.until(300)
    assert len(night.hits) == 1


def test_a_rule_that_cannot_be_judged_does_not_stop_the_others(store, monkeypatch):
    night = Judging(store, ["more than 0 level:ERROR over 1m", "new error group", "no * for 1h"])
    real = store.run

    def fussy(sql, *args, **kwargs):
        if "error_group" in sql.text:
            raise QueryTooCostly("query.timeout", seconds=1)
        return real(sql, *args, **kwargs)

    monkeypatch.setattr(store, "run", fussy)
    night.at(1, event(level="ERROR", error_group="oom:X"))
    night.until(10)
    assert night.judge.states() == {"r0": "ok", "r1": "error", "r2": "ok"}
    assert set(night.judge.problems) == {"r1"}
    assert night.said["r0"] == [(5, [{}])]
    monkeypatch.setattr(store, "run", real)
    night.at(11, event())
    night.until(20)
    assert night.judge.states()["r1"] == "ok"
    assert len(night.said["r1"]) == 1


def test_a_store_in_trouble_is_not_a_mistake_of_the_rules(store, monkeypatch):
    night = Judging(store, ["more than 0 level:ERROR over 1m"])
    night.commit(event(level="ERROR"))

    def broken(*_args, **_kwargs):
        raise QueryError("query.number", field="x", found="y")

    monkeypatch.setattr(store, "run", broken)
    night.now = second(5)
    with pytest.raises(QueryError):
        night.step()


def test_a_rule_that_was_not_remembered_at_the_start_is_remembered_later(store, monkeypatch):
    night = Judging(store, ["more than 1 level:ERROR over 1m"])
    night.at(1, event(level="ERROR"), event(level="ERROR"))
    real = store.run

    def fussy(*_args, **_kwargs):
        raise QueryTooCostly("query.timeout", seconds=1)

    monkeypatch.setattr(store, "run", fussy)
    night.restart()
    assert night.judge.states() == {"r0": "error"}
    monkeypatch.setattr(store, "run", real)
    night.until(10)
    assert night.judge.states() == {"r0": "ok"}
    assert night.said["r0"] == [(5, [{}])]


def test_a_rule_with_too_many_label_sets_says_so(store):
    night = Judging(store, ["more than 0 * by user_id over 1m"])
    night.at(1, *(event(user_id=f"u{number}") for number in range(LABELS_MAX + 5)))
    night.until(5)
    assert len(night.steps[-1].standing[0].holding) == LABELS_MAX
    assert night.judge.problems["r0"].key == "alerts.crowded"
    assert night.judge.states() == {"r0": "error"}


def test_a_slow_rule_is_judged_less_often_and_said_to_be_slow(store, monkeypatch):
    monkeypatch.setattr(measured, "SLOW_MS", 1e-6)
    monkeypatch.setattr(judging, "SLOW_MS", 1e-6)
    night = Judging(store, ["more than 0 level:ERROR over 1m"])
    night.at(1, event())
    night.until(5)
    assert night.judge.costs()["r0"].slowed
    night.at(6, event(level="ERROR"))
    assert night.judge.next_due(night.now) == second(50)
    night.until(50)
    assert night.said["r0"] == [(50, [{}])]


def test_a_rule_that_is_quick_again_is_not_slowed_any_more():
    costs = Costs(["r"])
    costs.share(["r"], 2 * measured.SLOW_MS)
    assert costs.all()["r"].slowed
    for _ in range(20):
        costs.share(["r"], 1.0)
    cost = costs.all()["r"]
    assert (cost.judged, cost.slowed) == (21, False)
    assert cost.mean_ms == pytest.approx((2 * measured.SLOW_MS + 20) / 21)


def test_the_cost_of_one_question_is_divided_evenly():
    costs = Costs(["a", "b"])
    costs.share(["a", "b"], 10.0)
    assert {id_: cost.total_ms for id_, cost in costs.all().items()} == {"a": 5.0, "b": 5.0}


def test_a_new_set_of_rules_takes_over_the_watches_that_are_the_same(store, monkeypatch):
    night = Judging(store, ["run takes > 30s", "more than 1 level:ERROR over 1m"])
    night.at(1, run("run_started"), event(level="ERROR"), event(level="ERROR"))
    night.until(20)
    rules = [night.rules[0], Rule(id="r1", when="more than 0 level:ERROR over 1m"), Rule(id="r2", when="no * for 40s")]
    remembered = []
    monkeypatch.setattr(judging, "history", lambda _store, watch, *_: remembered.append(watch.rule.id))
    night.judge = Judge(
        store, rules, now=night.now, upto_seq=night.seq, held=night.held, looked_at=night.now, before=night.judge
    )
    assert remembered == ["r1", "r2"]
    assert night.judge.costs()["r0"].judged == 1
    night.held["r2"], night.said["r2"] = set(), []
    night.until(50)
    assert night.said["r0"] == [(35, [{"service": "photo", "instance": "gpu-1"}])]


def test_rules_that_are_off_are_not_judged(store):
    judge = Judge(store, rules_of(["any *"], enabled=False), now=START, upto_seq=0, held={})
    assert judge.states() == judge.costs() == {}


def test_examples_are_the_newest_events_of_what_holds(store):
    night = Judging(store, ["more than 1 level:ERROR by node over 1m"])
    night.at(1, *(event(level="ERROR", node=node, message=f"{node} {number}") for number in range(4) for node in "ab"))
    night.until(5)
    of_b = next(one for one in night.steps[-1].standing[0].holding if one.labels == {"node": "b"})
    assert [example["message"] for example in of_b.events] == ["b 1", "b 2", "b 3"]


def test_events_without_the_label_have_their_own_examples(store):
    night = Judging(store, ["more than 1 level:ERROR by node over 1m"])
    night.at(
        1, *(event(level="ERROR", message=f"none {number}") for number in range(2)), event(level="ERROR", node="a")
    )
    night.until(5)
    (holding,) = night.steps[-1].standing[0].holding
    assert (holding.labels, len(holding.events)) == ({}, 2)


def test_a_pending_condition_is_judged_by_its_own_figure_and_not_by_clear(store):
    fields = {"id": "r0", "when": "more than 2 * over 1m", "clear": "fewer than 1 * over 1m", "for": "45s"}
    night = Judging(store, [Rule.model_validate(fields)])
    night.at(1, event(), event())
    night.at(21, event())
    told = past(store, night.rules[0], 0, 300)
    assert told == [(25, [{}]), (65, [])], "it was never more than pending"
    quick = Rule.model_validate({**fields, "for": "20s"})
    assert past(store, quick, 0, 300) == [(25, [{}]), (85, [])], "it fired at 45 and went on until nothing was left"


def test_a_long_history_is_judged_from_what_is_left_of_it(store):
    night = Judging(store, ["failure rate > 50% over 1d"])
    night.commit(run("run_failed", timestamp=START - timedelta(hours=5)))
    night.seq = store.figures().last_seq
    night.restart()
    night.until(120)
    assert night.said["r0"][0][1] == [{}]
