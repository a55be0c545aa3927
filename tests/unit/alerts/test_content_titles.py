"""The first line for every kind of condition: what and where, with its figure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safelight.alerts.alert import opened
from safelight.alerts.content import TITLE_MAX, describe, title
from safelight.alerts.content.figures import figure, percent, size, span
from safelight.locales import LANGUAGES
from support.timeline import DAY, UTC, rule

GPU = {"service": "comfyui", "instance": "gpu-1"}


def alert(why, labels=None, count=1, value=None, severity=2, **event):
    of = rule("r", "any *", severity=severity)
    made = opened(
        of,
        GPU if labels is None else labels,
        count=count,
        started_at=DAY,
        last_at=DAY,
        now=DAY,
        told_before=None,
        ends_by_quiet=True,
        events=[event] if event else [],
        value=value,
    )
    return replace(made, why=why)


KINDS = {
    "share": (
        alert("failure rate > 15% over 15m, at least 20 runs", value=23.1),
        "23 % failed in 15m",
        "15m 内失败率 23 %",
    ),
    "rate": (
        alert("rate of level:ERROR among service:x > 15% over 15m, at least 20", value=15.3),
        "15 % in 15m",
        "15m 内占 15 %",
    ),
    "streak": (alert("3 failures in a row", count=3), "3 failures in a row", "连续失败 3 次"),
    "run takes": (
        alert("run takes > 30s", value=41_000.0, workflow_name="cats"),
        "cats takes 41 s",
        "cats 已用时 41 s",
    ),
    "node takes": (
        alert("node takes > 30s", {**GPU, "node": "KSampler"}, value=41_000.0),
        "KSampler takes 41 s",
        "KSampler 已用时 41 s",
    ),
    "mean": (
        alert("mean duration_ms of event:image_processed > 2000 over 15m, at least 20", value=2_310.0),
        "mean time 2,310 ms in 15m",
        "15m 内耗时平均 2,310 ms",
    ),
    "p95 by node": (
        alert("p95 duration_ms by node > 2s over 1h", {**GPU, "node": "KSampler"}, value=12_000.0),
        "KSampler: p95 time 12 s in 1h",
        "KSampler: 1h 内耗时p95 12 s",
    ),
    "silent": (
        alert("no events from comfyui for 5m", {}),
        "no events from comfyui for 5m",
        "5m 没有收到 comfyui 的事件",
    ),
    "absent": (alert("no event:heartbeat for 60s"), "no event:heartbeat for 60s", "60s 没有 event:heartbeat"),
    "stalled": (
        alert("run shows no progress for 10m", value=720_000.0, workflow_name="cats"),
        "cats: no progress for 12 min",
        "cats: 12 min 没有进展",
    ),
    "slower": (
        alert("duration_ms by node 2x its usual over 1h, at least 10", {**GPU, "node": "KSampler"}, value=2.43),
        "KSampler: 2.4 times its usual time",
        "KSampler: 耗时是平时的 2.4 倍",
    ),
    "new error": (
        alert("new error group within 30d", {**GPU, "node": "Upscale"}, error_type="ValueError", error_message="bad"),
        "new error: Upscale: ValueError: bad",
        "新的错误：Upscale: ValueError: bad",
    ),
    "temperature": (alert("gpu.temperature_c > 87 for 2m", value=91.0), "GPU temperature 91 °C", "GPU 温度 91 °C"),
    "temperature of a card": (
        alert("attributes.gpu.temperature_c > 87 for 2m", {"host": "gpu-1", "gpu": "0"}, value=91.0),
        "GPU 0: GPU temperature 91 °C",
        "GPU 0: GPU 温度 91 °C",
    ),
    "free memory": (
        alert("vram_free_mb of service:comfyui < 4GB", value=3_500.0),
        "free GPU memory 3,500 MB",
        "空闲显存 3,500 MB",
    ),
    "other field": (alert("queue_length by instance >= 40", value=41.0), "queue_length 41", "queue_length 41"),
    "window": (alert("more than 5 level:ERROR over 1h", {}, count=1_234), "1,234 in 1h", "1h 内 1,234 条"),
    "window by node": (
        alert("more than 5 level:ERROR by node over 1h", {"node": "KSampler"}, count=7),
        "KSampler: 7 in 1h",
        "KSampler: 1h 内 7 条",
    ),
    "daily window": (
        alert("fewer than 10 event:image_processed over 1d, checked at 20:00 Asia/Shanghai", {}, count=3),
        "3 in 1d",
        "1d 内 3 条",
    ),
    "emptied": (
        alert("queue empties after 30m", count=42, value=3.0),
        "queue is empty: 39 done, 3 failed",
        "队列已清空：完成 39 个，失败 3 个",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_condition_has_its_own_title(kind):
    of, english, chinese = KINDS[kind]
    place = " · gpu-1" if "gpu-1" in of.labels.values() else ""
    assert title([of], "firing", None, "en") == f"r: {english}{place}"
    assert title([of], "firing", None, "zh-CN") == f"r：{chinese}{place}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_kind_has_a_body_that_says_more_than_nothing(kind, language):
    _, said = describe(KINDS[kind][0], None, language=language, zone=UTC)
    first, *_, last = said.splitlines()
    assert first
    assert KINDS[kind][0].why in last


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_that_is_not_known_is_left_out(kind):
    of = replace(KINDS[kind][0], value=None)
    assert "None" not in title([of], "firing", None, "en")


def test_the_place_is_not_what_is_cut_away():
    long = alert("any *", {**GPU, "node": "N" * 300}, error_message="x" * 300)
    told = title([long], "firing", None, "en")
    assert len(told) == TITLE_MAX
    assert told.endswith("… · gpu-1")
    endless = alert("any *", {"instance": "i" * 300}, error_message="x" * 300)
    assert len(title([endless], "firing", None, "en")) == TITLE_MAX


@pytest.mark.parametrize("why", ['any "slower than its usual"', "any duration_ms:>5", "any x by y > 3", "x > ."])
def test_a_match_is_told_by_its_event_whatever_its_filter_says(why):
    assert title([alert(why, error_message="bad")], "firing", None, "en") == "r: bad · gpu-1"


def test_a_condition_that_nobody_knows_is_told_by_its_event():
    assert title([alert("phase of the moon", error_message="bad")], "firing", None, "en") == "r: bad · gpu-1"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figure("duration_ms", 842), "842 ms"),
        (figure("duration_ms", 41_000), "41 s"),
        (span(600_000), "10 min"),
        (span(9_000_000), "2.5 h"),
        (size(812.4), "812 MB"),
        (size(24_564), "24.0 GB"),
        (percent(15.3), "15 %"),
        (percent(1.8), "1.8 %"),
        (figure("cpu_percent", 97.5), "97.5 %"),
        (figure("power_w", 312), "312 W"),
        (figure("depth", 3), "3"),
    ],
)
def test_figures_carry_the_unit_of_their_field(written, expected):
    assert written == expected


def test_what_is_measured_is_told_by_its_figure_with_an_example_of_what_went_wrong():
    of = replace(KINDS["share"][0], standing=True, count=41, events=[{"error_message": "disk full", "node": "Save"}])
    _, said = describe(of, None, language="en", zone=UTC)
    assert said.splitlines() == [
        "23 % failed in 15m",
        "For example: disk full",
        "Where: service comfyui, instance gpu-1",
        "Since: 2026-11-22 00:00:00 UTC",
        "Counted: 41",
        "Why: rule r (failure rate > 15% over 15m, at least 20 runs)",
    ]


def test_an_emptied_queue_does_not_say_that_it_happened_as_often_as_there_were_runs():
    _, said = describe(KINDS["emptied"][0], None, language="en", zone=UTC)
    assert "42 times" not in said
    assert said.startswith("queue is empty: 39 done, 3 failed\n")


def named(rule_id, why, **fields):
    """What comes with Safelight, under its own title."""
    return replace(alert(why, **fields), rule=rule_id)


@pytest.mark.parametrize(
    ("of", "english", "chinese"),
    [
        (named("failures-in-a-row", "3 failures in a row", count=3), "Three failures in a row", "连续三次失败"),
        (
            named("failures-in-a-row", "3 failures in a row", count=5),
            "Three failures in a row: 5 by now",
            "连续三次失败：目前已连续 5 次",
        ),
        (
            named("new-error", "new error group within 30d", error_type="ValueError", error_message="bad"),
            "An error not seen before: ValueError: bad",
            "出现了新的错误：ValueError: bad",
        ),
        (
            named("queue-done", "queue empties after 30m", count=42, value=3.0),
            "The queue is done: 39 done, 3 failed",
            "队列已跑完：完成 39 个，失败 3 个",
        ),
    ],
    ids=["streak", "longer streak", "new error", "emptied"],
)
def test_a_title_does_not_say_twice_what_its_rule_says(of, english, chinese):
    assert title([of], "firing", None, "en").removeprefix("Urgent: ").removesuffix(" · gpu-1") == english
    assert title([of], "firing", None, "zh-CN").removeprefix("紧急：").removesuffix(" · gpu-1") == chinese
