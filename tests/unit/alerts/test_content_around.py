"""What went on around a failure: the lines before it and the memory, asked for once and never waited for."""

from __future__ import annotations

import json
from datetime import UTC, timedelta

import pytest

from safelight.alerts.alert import opened
from safelight.alerts.content import compose
from safelight.alerts.content.curve import POINTS_MAX, chart
from safelight.alerts.evaluate import brief
from safelight.alerts.group import Message
from safelight.batch import Batch
from safelight.errors import QueryTooCostly
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore
from support.runs import batch, story
from support.timeline import DAY, event, rule

FAILED = rule("failed", "any event:node_failed")


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store):
        self.store, self.asked = store, 0

    def run(self, sql, span, *, timeout_s):
        self.asked += 1
        return self.store.run(sql, span, timeout_s=timeout_s)


class Slow:
    """A store that never answers in time."""

    def run(self, sql, span, *, timeout_s):
        assert timeout_s <= 0.3
        raise QueryTooCostly("store.too_slow", seconds=timeout_s)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """One that is given the time that a busy machine needs."""
    monkeypatch.setattr("safelight.alerts.content.around.TIMEOUT_S", 30.0)
    with SegmentStore.open(tmp_path / "data") as opened_store:
        yield opened_store


def at(seconds, **fields):
    moment = DAY + timedelta(seconds=seconds)
    return event(timestamp=moment, received_at=moment, **fields)


def told(store, failed, key="k.1", channel="team", status="firing"):
    labels = {name: failed[name] for name in ("service", "instance", "node") if failed.get(name)}
    made = opened(
        FAILED,
        labels,
        count=1,
        started_at=DAY,
        last_at=DAY,
        now=DAY,
        told_before=None,
        ends_by_quiet=True,
        events=[brief(failed)],
    )
    message = Message(key, "g", status, (made,))
    return compose(message, {"failed": FAILED}, store=store, language="en", zone=UTC, base_url=None, channel=channel)


def lines(note):
    _, _, after = note.text.partition("Before that:\n")
    return after.splitlines()[:-1]


FAILURE = {"level": "ERROR", "event": "node_failed", "node": "VAEDecode", "error_message": "bad", "instance": "gpu-1"}


def test_the_last_lines_of_the_run_and_of_its_process_are_told(store):
    failed = at(20, workflow_id="wf-1", **FAILURE)
    store.append(
        Batch.of(
            [
                *(at(n, instance="gpu-1", message=f"line {n}") for n in range(6)),
                at(7, instance="gpu-1", message="of another run", workflow_id="wf-2"),
                at(8, instance="gpu-2", message="of another instance"),
                at(9, instance="gpu-1", message="only for developers", level="DEBUG"),
                at(10, instance="gpu-1", event="resources_sampled", workflow_id="wf-1"),
                at(11, workflow_id="wf-1", event="node_finished", node="KSampler", duration_ms=9_800.0),
                at(12, workflow_id="wf-1", message="careful\nmore of it", level="WARNING"),
                at(19, instance="gpu-1", message="bad", level="ERROR"),
                failed,
                at(21, instance="gpu-1", message="afterwards"),
                at(-700, instance="gpu-1", message="long before"),
            ]
        )
    )
    assert lines(told(store, failed)) == [
        "00:00:03 line 3",
        "00:00:04 line 4",
        "00:00:05 line 5",
        "00:00:11 node_finished KSampler 9,800 ms",
        "00:00:12 WARNING careful",
    ]


def test_of_what_is_no_run_the_lines_of_the_instance_are_told(store):
    failed = at(20, **FAILURE)
    store.append(Batch.of([at(1, instance="gpu-1", message="mine"), at(2, instance="gpu-2", message="not"), failed]))
    assert lines(told(store, failed)) == ["00:00:01 mine"]


def test_lines_are_freed_from_what_is_private(store):
    failed = at(20, **FAILURE)
    secret = "open /home/ann/x.png with sk-abcdefghijklmnopqrstuvwxyz123456\x1b[31m"
    store.append(Batch.of([at(1, instance="gpu-1", message=secret), failed]))
    said = told(store, failed).text
    assert "open " in said
    assert "/home/ann" not in said
    assert "sk-abcdef" not in said
    assert "\x1b" not in said


def test_the_store_is_asked_once_for_all_channels_of_a_message(store):
    failed = at(20, **FAILURE)
    store.append(Batch.of([at(1, instance="gpu-1", message="mine"), failed]))
    counting = Counting(store)
    one, two = told(counting, failed), told(counting, failed, channel="other")
    assert counting.asked == 1
    assert one.text == two.text
    told(counting, failed, key="k.2")
    assert counting.asked == 2
    told(counting, failed, key="k.3", status="resolved")
    assert counting.asked == 2


def test_a_store_that_does_not_answer_costs_the_lines_and_not_the_message():
    note = told(Slow(), at(20, **FAILURE))
    assert "bad" in note.text
    assert "Before that" not in note.text
    assert note.chart is None


def test_the_memory_of_the_run_becomes_the_curve_with_the_size_of_the_card(store):
    run = story("oom", at=DAY)
    store.append(batch(run.events))
    (failed,) = store.newest(Sql("event = 'node_failed'"), limit=1).to_pylist()
    curve = told(store, failed).chart
    assert [series["name"] for series in curve["series"]] == ["VRAM", "RAM"]
    assert curve["unit"] == "GB"
    assert curve["limit"] == pytest.approx(23.99, abs=0.01)
    assert curve["at"] == sorted(curve["at"])
    assert curve["mark"] >= curve["at"][-1] - 1_000
    assert max(value for value in curve["series"][0]["values"] if value is not None) > 20


def test_without_a_curve_of_its_own_the_card_and_the_machine_are_shown(store):
    failed = at(60, host="box", **FAILURE)

    def sampled(seconds, host="box", **fields):
        attributes = {name: fields.pop(name) for name in ("gpu", "host_load") if name in fields}
        return at(seconds, event="resources_sampled", host=host, attributes=json.dumps(attributes), **fields)

    first, second = ({"index": index, "vram_total_mb": 24_576.0} for index in (0, 1))
    readings = [
        row
        for n in range(6)
        for row in (
            sampled(n * 10, vram_used_mb=1024.0 * n, gpu=first),
            sampled(n * 10, vram_used_mb=9.0, gpu=second),
            sampled(n * 10 + 1, ram_used_mb=2048.0, host_load={}),
            sampled(n * 10, host="other", vram_used_mb=5.0, gpu=first),
        )
    ]
    store.append(Batch.of([*readings, failed]))
    curve = told(store, failed).chart
    vram, ram = (series["values"] for series in curve["series"])
    assert [value for value in vram if value is not None] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert {value for value in ram if value is not None} == {2.0}
    assert curve["limit"] == 24.0


def test_what_a_rule_watches_is_drawn_with_its_limit(store):
    watching = rule("hot", "gpu.temperature_c > 87 for 2m")
    readings = [
        at(
            n * 10,
            event="resources_sampled",
            host="box",
            attributes=json.dumps({"gpu": {"index": index, "temperature_c": 60 + 10 * index + n}}),
        )
        for n in range(30)
        for index in (0, 1)
    ]
    store.append(Batch.of(readings))
    hot = opened(
        watching,
        {"host": "box", "gpu": "1"},
        count=1,
        started_at=DAY,
        last_at=DAY,
        now=DAY,
        told_before=None,
        ends_by_quiet=False,
        events=[brief(readings[-1])],
        value=99.0,
    )
    message = Message("hot.1", "g", "firing", (hot,))
    options = {"language": "en", "zone": UTC, "base_url": None, "channel": "team"}
    curve = compose(message, {"hot": watching}, store=store, **options).chart
    assert curve["limit"] == 87
    assert curve["unit"] == "°C"
    assert curve["series"] == [{"name": "temperature_c", "values": [70.0 + n for n in range(30)]}]


def reading(at_ms, **curve):
    return {"workflow_id": "w", "timestamp": DAY, "attributes": {"curve": {"at": at_ms, **curve}}}


def test_a_curve_of_many_points_keeps_its_peaks():
    start = int(DAY.timestamp() * 1000)
    times = [start + n * 100 for n in range(5_000)]
    values = [1024.0] * 5_000
    values[3_333] = 20_480.0
    end = DAY + timedelta(seconds=500)
    drawn = chart([reading(times, vram_mb=values, ram_mb=None)], "w", end)
    assert len(drawn["at"]) == POINTS_MAX
    assert max(drawn["series"][0]["values"]) == 20.0
    assert [series["name"] for series in drawn["series"]] == ["VRAM"]


@pytest.mark.parametrize(
    "curve",
    [{}, {"at": "x"}, {"at": [1]}, {"at": [None, True, "a"], "vram_mb": [1, 2]}, {"at": [1, 2], "vram_mb": {}}],
    ids=["nothing", "no list", "long ago", "no times", "no values"],
)
def test_readings_that_say_nothing_make_no_curve(curve):
    row = {"workflow_id": "w", "timestamp": DAY, "attributes": {"curve": curve}}
    assert chart([row, {**row, "attributes": {"curve": 7}}], "w", DAY) is None
