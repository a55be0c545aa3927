"""Each condition over a night: when it holds, and for what."""

from __future__ import annotations

import json

import pytest

from safelight.alerts.rule import Rule
from safelight.store.segments import SegmentStore
from support.judging import Judging, event, past, run, second


@pytest.fixture
def store(tmp_path):
    opened = SegmentStore.open(tmp_path)
    yield opened
    opened.close()


def both_say(night, end, expected):
    """As it came, and in a back-test."""
    night.until(end)
    assert night.said["r0"] == expected
    assert night.again(end)["r0"] == expected


GPU_1 = {"service": "photo", "instance": "gpu-1"}


def test_a_count_holds_while_its_window_holds_enough(store):
    night = Judging(store, ["more than 2 level:ERROR by node over 1m"])
    for time in (3, 4, 11):
        night.at(time, event(level="ERROR", node="VAEDecode"), event(level="ERROR", node="KSampler"))
    night.at(12, event(level="ERROR", node="KSampler"))
    both_say(night, 120, [(15, [{"node": "KSampler"}, {"node": "VAEDecode"}]), (65, [])])


def test_an_event_that_comes_late_counts_in_the_window_in_whose_time_it_lies(store):
    night = Judging(store, ["more than 1 level:ERROR over 2m"])
    night.at(3, event(level="ERROR"))
    night.at(61, event(level="ERROR", timestamp=second(5)), event(level="ERROR", timestamp=second(-300)))
    night.until(200)
    assert night.said["r0"] == [(61, [{}]), (125, [])]


def test_too_few_is_said_only_of_what_was_watched(store):
    night = Judging(store, ["fewer than 1 event:image_processed over 1m"], watched=30)
    night.until(89)
    assert night.said["r0"] == []
    night.at(100, event(event="image_processed"))
    night.until(200)
    assert night.said["r0"] == [(90, [{}]), (105, []), (165, [{}])]


def test_too_few_by_label_knows_who_fell_silent(store):
    night = Judging(store, ["fewer than 2 * by instance over 1m"])
    for time in (1, 20):
        night.at(time, event(instance="a"), event(instance="b"))
    night.at(55, event(instance="a"), event(instance="a"))
    both_say(night, 110, [(65, [{"instance": "b"}])])


def test_a_check_is_made_once_a_day_at_its_time(store):
    night = Judging(store, ["more than 1 level:ERROR over 1h, checked at 08:05 Asia/Shanghai"])
    night.at(10, event(level="ERROR"), event(level="ERROR"))
    night.until(290)
    assert night.said["r0"] == []
    both_say(night, 86_400 + 400, [(300, [{}]), (86_700, [])])


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("failure rate > 50% over 1m, at least 3 runs", [(25, [{}]), (65, [])]),
        ("failure rate > 66% over 1m, at least 3 runs", [(25, [{}]), (65, [])]),
        ("failure rate > 67% over 1m, at least 3 runs", []),
        ("failure rate >= 50% over 1m", [(15, [{}]), (85, [])]),
        ("failure rate < 50% over 1m", [(5, [{}]), (15, [])]),
        ("rate of level:ERROR among event:run_* > 60% over 1m", [(25, [{}]), (85, [])]),
    ],
)
def test_a_share_is_judged_where_there_is_enough_of_it(store, when, expected):
    night = Judging(store, [when])
    night.at(1, run("run_finished"))
    night.at(11, run("run_failed", level="ERROR"))
    night.at(21, run("run_lost", level="ERROR"))
    both_say(night, 200, expected)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("mean duration_ms > 2s over 1m", [(15, [{}]), (75, [])]),
        ("sum duration_ms >= 9s over 1m", [(15, [{}]), (65, [])]),
        ("max duration_ms > 7s over 1m", [(15, [{}]), (75, [])]),
        ("min duration_ms < 1001 over 1m", [(5, [{}]), (65, [])]),
        ("p99 duration_ms > 7s over 1m", [(15, [{}]), (75, [])]),
        ("p50 duration_ms > 7s over 1m", [(65, [{}]), (75, [])]),
        ("median duration_ms <= 1s over 1m", [(5, [{}]), (65, [])]),
        ("mean duration_ms of service:other > 1 over 1m", []),
        ("mean sampler.steps > 20 over 1m", [(5, [{}]), (65, [])]),
    ],
)
def test_a_statistic_is_judged_over_its_window(store, when, expected):
    night = Judging(store, [when])
    night.at(1, event(duration_ms=1000.0, attributes=json.dumps({"sampler": {"steps": 30}})))
    night.at(11, event(duration_ms=8000.0, attributes="{}"))
    both_say(night, 200, expected)


def test_a_percentile_is_shown_to_one_percent_and_decided_exactly(store):
    night = Judging(store, ["p50 duration_ms > 1999 over 1m"])
    night.at(1, *(event(duration_ms=2000.0) for _ in range(3)))
    night.until(10)
    (holding,) = night.steps[-1].standing[0].holding
    assert holding.value == pytest.approx(2000, rel=0.011)
    assert holding.count == 3


def test_three_failures_in_a_row_are_known_within_a_second_and_over_with_a_success(store):
    night = Judging(store, ["3 failures in a row"])
    for time in (1, 2.5, 3.2):
        night.at(time, run("run_failed"), run("run_finished", "other", service="other"))
    night.until(3.99)
    assert night.said["r0"] == []
    night.at(9.1, run("run_finished"))
    both_say(night, 60, [(4, [GPU_1]), (10, [])])


def test_an_interrupted_run_ends_a_row_of_failures(store):
    night = Judging(store, ["2 failures in a row"])
    for name in ("run_failed", "run_interrupted", "run_failed"):
        night.at((night.now - second(0)).total_seconds() + 2, run(name))
    both_say(night, 60, [])


def test_silence_is_said_when_it_has_lasted(store):
    night = Judging(store, ["no events from photo for 1m"])
    night.at(3, event(service="other", instance="photo"))
    night.at(20, event())
    night.at(100, event())
    both_say(night, 150, [(80, [{"service": "photo"}]), (105, [])])


def test_what_nobody_watched_is_not_called_silent(store):
    night = Judging(store, ["no event:image_processed for 1m"], watched=100)
    night.until(159)
    assert night.said["r0"] == []
    night.until(200)
    assert night.said["r0"] == [(160, [{}])]


def test_a_run_that_takes_too_long_is_told_once_while_it_is_running(store):
    night = Judging(store, ["run takes > 30s"])
    night.at(1, run("run_started", "slow"))
    night.at(2, run("run_started", "quick"))
    night.at(20, run("run_finished", "quick", duration_ms=18_000.0))
    night.at(50, run("run_finished", "slow", duration_ms=49_000.0))
    night.at(52, event(event="image_processed", duration_ms=31_000.0))
    both_say(night, 100, [(35, [GPU_1]), (55, [{"service": "photo"}])])
    assert [hit.value for hit in night.hits] == [34_000.0, 31_000.0]
    assert night.hits[0].events[0]["workflow_id"] == "slow"


def test_a_run_is_of_a_filter_when_what_began_or_ended_it_is(store):
    night = Judging(store, ["run takes > 30s of workflow_name:portrait"])
    night.at(1, run("run_started", "a"), run("run_started", "b", workflow_name="portrait"))
    both_say(night, 60, [(35, [GPU_1])])
    assert night.hits[0].events[0]["workflow_id"] == "b"


def test_a_node_that_takes_too_long_is_told_once(store):
    night = Judging(store, ["node takes >= 30s"])
    night.at(1, run("node_started", node="KSampler", node_id="3"), run("node_started", node="LoadImage", node_id="4"))
    night.at(2, run("node_finished", node="LoadImage", node_id="4", duration_ms=1000.0))
    night.at(40, run("run_failed", duration_ms=40_000.0, node="KSampler"))
    night.at(41, event(event="decoded", node="VAEDecode", duration_ms=60_000.0))
    sampler = {**GPU_1, "node": "KSampler"}
    both_say(night, 90, [(35, [sampler]), (45, [{"service": "photo", "node": "VAEDecode"}])])


def test_a_run_without_progress_is_told_once(store):
    night = Judging(store, ["run shows no progress for 1m"])
    night.at(1, run("run_queued", "waiting"), run("run_started"))
    night.at(31, run("node_progress", node="KSampler", node_id="3"))
    night.at(60, run("resources_sampled", node=None))
    both_say(night, 120, [(95, [{**GPU_1, "node": "KSampler"}])])
    night.at(130, run("node_progress", node="KSampler", node_id="3"))
    night.until(300)
    assert len(night.hits) == 1


def test_what_is_slower_than_in_the_days_before_is_noticed(store):
    night = Judging(store, ["duration_ms by node 2x its usual over 1m, at least 2"])
    before = [
        event(node=node, event="node_finished", duration_ms=1000.0, timestamp=second(-3 * 86_400 + 10 * number))
        for node in ("KSampler", "VAEDecode")
        for number in range(4)
    ]
    night.commit(*before, run("run_finished", node="KSampler", duration_ms=90_000.0, timestamp=second(-86_400)))
    night.seq = store.figures().last_seq
    night.restart()
    night.at(3, *(event(node="KSampler", event="node_finished", duration_ms=2000.0) for _ in range(2)))
    night.at(4, *(event(node="VAEDecode", event="node_finished", duration_ms=1900.0) for _ in range(2)))
    night.at(5, *(event(node="New", event="node_finished", duration_ms=1900.0) for _ in range(2)))
    both_say(night, 120, [(5, [{"node": "KSampler"}]), (65, [])])


def test_a_new_kind_of_error_is_told_once(store):
    night = Judging(store, ["new error group of service:photo"])
    night.commit(event(level="ERROR", error_group="known:X", timestamp=second(-20 * 86_400)))
    night.commit(event(level="ERROR", error_group="old:X", timestamp=second(-40 * 86_400)))
    night.seq = store.figures().last_seq
    night.restart()
    groups = ("known:X", "old:X", "new:X", "new:X")
    night.at(3, *(event(level="ERROR", error_group=group) for group in groups), event(service="b", error_group="b"))
    night.at(20, event(level="ERROR", error_group="new:X", node="VAEDecode"))
    new = [(5, [{"error_group": "old:X", "service": "photo"}]), (5, [{"error_group": "new:X", "service": "photo"}])]
    both_say(night, 60, new)
    assert [hit.count for hit in night.hits] == [1, 2]


def reading(card, celsius, **fields):
    gpu = {"index": card, "temperature_c": celsius}
    return event(event="resources_sampled", host="box", attributes=json.dumps({"gpu": gpu}), **fields)


def test_a_reading_must_stay_beyond_its_figure(store):
    night = Judging(store, ["gpu.temperature_c > 87 for 20s"])
    for time in range(0, 60, 5):
        night.at(time + 1, reading(0, 90 if time >= 10 else 80), reading(1, 90 if time != 25 else 80))
    card_0, card_1 = {"host": "box", "gpu": "0"}, {"host": "box", "gpu": "1"}
    both_say(night, 61, [(25, [card_1]), (30, []), (35, [card_0]), (55, [card_0, card_1])])


def test_of_several_readings_within_five_seconds_the_last_one_counts(store):
    night = Judging(store, ["gpu.temperature_c > 87 for 10s"])
    for time, celsius in ((1, 90), (5.5, 90), (6.5, 80), (7, 90), (11, 90)):
        night.at(time, reading(0, celsius))
    both_say(night, 20, [(15, [{"host": "box", "gpu": "0"}])])


def test_what_is_not_read_any_more_is_no_data(store):
    night = Judging(store, ["gpu.temperature_c > 87"])
    night.until(10)
    assert night.judge.states() == {"r0": "no_data"}
    night.at(11, reading(0, 90))
    night.until(20)
    assert night.judge.states() == {"r0": "ok"}
    both_say(night, 200, [(15, [{"host": "box", "gpu": "0"}]), (135, [])])
    assert night.judge.states() == {"r0": "no_data"}


def test_a_queue_has_emptied_when_nothing_was_queued_for_a_minute(store):
    night = Judging(store, ["queue empties after 1m"])
    night.at(1, run("run_queued", "a"), run("run_queued", "short", instance="gpu-2"))
    night.at(5, run("run_started", "a"), run("run_finished", "short", instance="gpu-2"))
    night.at(40, run("run_finished", "a"))
    night.at(60, run("run_queued", "b"))
    night.at(90, run("run_failed", "b"))
    both_say(night, 200, [(150, [GPU_1])])
    assert [(hit.count, hit.value) for hit in night.hits] == [(2, 1.0)]


def test_what_fires_goes_on_until_the_other_figure_clears_it(store):
    rule = Rule.model_validate(
        {"id": "r0", "when": "more than 3 level:ERROR over 1m", "clear": "fewer than 2 level:ERROR over 1m"}
    )
    night = Judging(store, [rule])
    night.at(1, event(level="ERROR"), event(level="ERROR"))
    night.at(11, event(level="ERROR"))
    night.at(21, event(level="ERROR"))
    both_say(night, 200, [(25, [{}]), (75, [])])


def test_what_came_long_after_it_happened_fires_nothing(store):
    night = Judging(store, ["run takes > 30s", "new error group", "run shows no progress for 1m"])
    long_ago = second(-3000)
    night.at(
        3,
        run("run_finished", duration_ms=60_000.0, timestamp=long_ago, error_group="late:X"),
        run("run_finished", "b", duration_ms=60_000.0),
    )
    night.until(60)
    assert [len(said) for said in night.said.values()] == [1, 0, 0]
    assert sum(step.late for step in night.steps) == 2


def test_imported_events_and_our_own_alerts_are_not_looked_at(store):
    night = Judging(store, ["more than 0 level:ERROR over 1m", "new error group"])
    night.at(
        3,
        event(id="import-1", level="ERROR", error_group="a"),
        event(service="safelight", event="alert_fired", level="ERROR", error_group="b"),
    )
    night.until(60)
    assert night.said == {"r0": [], "r1": []}
    assert night.again(60) == night.said


def test_a_back_test_may_begin_in_the_middle(store):
    night = Judging(store, ["more than 2 level:ERROR over 1m"])
    for time in (1, 2, 3):
        night.at(time, event(level="ERROR"))
    assert past(store, night.rules[0], 30, 100) == [(30, [{}]), (65, [])]
    assert past(store, night.rules[0], 70, 100) == []
