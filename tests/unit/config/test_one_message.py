"""One failure, one message: all default rules are on and nobody is told the same thing twice."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from safelight.alerts.views import Target
from safelight.config.default_rules import ALWAYS, EXPECTED
from support.timeline import Timeline, error, event

TEAM = Target("team", "webhook", 2, "en")
KEEN = Target("keen", "webhook", 1, "en")
"""Takes everything."""


@pytest.fixture
def night(tmp_path):
    (tmp_path / "one").mkdir()
    found = Timeline(tmp_path / "one", [*ALWAYS, *EXPECTED["idphoto"]], [TEAM, KEEN])
    yield found
    found.close()


def told(night, channel="team"):
    """How often each rule was told as firing."""
    return Counter(one.note.rule for one in night.told if one.channel == channel and one.note.status == "firing")


def failed(**fields):
    """A run that failed in a node, as the node pack tells it."""
    ended = {
        "event": "run_failed",
        "level": "WARNING",
        "instance": "gpu-1",
        "error_group": "gpu_oom:VAEDecode",
        **fields,
    }
    return error(instance="gpu-1", **fields), event(**{"workflow_id": "wf-1", **ended})


def good(number):
    return event(event="run_finished", instance="gpu-1", workflow_id=f"good-{number}", duration_ms=900.0)


def test_nothing_that_happens_is_no_reason_to_ring(night):
    night.at("02:00:00", event(event="resources_sampled", level="DEBUG", vram_used_mb=9000.0))
    night.at("02:00:10", *map(good, range(30)))
    night.until("03:00:00")
    assert night.told == []


@pytest.mark.parametrize("channel", ["team", "keen"])
def test_a_node_that_runs_out_of_memory_is_told_once_by_the_rule_that_says_most(night, channel):
    night.at("02:00:00", *failed())
    night.until("03:00:00")
    assert told(night, channel) == {"oom": 1}


@pytest.mark.parametrize("channel", ["team", "keen"])
def test_another_failure_is_told_once(night, channel):
    night.at("02:00:00", *failed(error_group="missing_model:a.safetensors", error_type="ValueError"))
    night.until("03:00:00")
    assert told(night, channel) == {"any-error": 1}


def test_three_in_a_row_are_told_beside_the_first_and_a_night_of_failures_is_few_messages(night):
    for number in range(50):
        night.at(f"02:{number // 2:02}:{number % 2 * 30:02}", *failed(workflow_id=f"wf-{number}"))
    night.until("02:30:00")
    rang = told(night)
    assert rang["failures-in-a-row"] == rang["failure-rate"] == 1
    assert rang.keys() == {"oom", "failures-in-a-row", "failure-rate"}
    assert rang["oom"] <= 6  # at most every 5 min


def test_a_crash_is_told_as_one_and_not_for_each_of_its_signs(night):
    gone = {"instance": "gpu-1", "level": "ERROR"}
    night.at(
        "02:00:00",
        event(event="worker_dead", **gone),
        event(event="run_lost", workflow_id="wf-1", **gone),
        event(event="run_lost", workflow_id="wf-2", **gone),
    )
    night.until("03:00:00")
    assert told(night) == {"process-gone": 1}


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ("Failed to decode image: invalid file header", "ddcolor-decode"),
        ("Model not loaded", "ddcolor-model"),
        ("Out of memory: tried to allocate 2.81 GiB", "ddcolor-oom"),
        ("Execution error in node 4", "ddcolor-execution"),
        ("something else", "any-error"),
    ],
)
def test_what_photo_restoration_says_of_itself_is_told_once(night, message, rule):
    night.at("02:00:00", event(service="ddcolor", level="ERROR", event="processing_failed", message=message))
    night.until("02:30:00")
    assert told(night, "keen") == {rule: 1}


def test_photos_that_customers_cannot_get_right_wake_nobody(night):
    wrong = {"service": "idphoto", "level": "ERROR", "event": "processing_failed", "error_group": "no_face"}
    for second in (0, 20, 40):
        night.at(f"02:00:{second:02}", event(**wrong))
    night.until("02:30:00")
    assert told(night).keys() == {"any-error"}
    assert {one.note.severity for one in night.told} == {2}


def test_ten_errors_of_one_service_say_nothing_of_another(night):
    for minute in range(12):
        night.at(f"02:{minute:02}:00", event(service="photos", level="ERROR", error_group=f"unlike-{minute}"))
    night.at("02:30:00", event(service="comfyui", level="ERROR", error_group="other"))
    night.until("02:40:00")
    about = Counter(
        (one.note.rule, one.note.labels.get("service")) for one in night.told if one.note.status == "firing"
    )
    assert about["error-rate", "photos"] == 2  # both channels
    assert about["any-error", "comfyui"] == 2


def test_a_black_output_is_told_but_not_a_black_preview(night):
    saved = {"event": "output_saved", "node": "SaveImage"}
    night.at("02:00:00", event(**saved, attributes='{"type":"temp","check":"black"}'))
    night.until("02:01:00")
    assert night.told == []
    night.at("02:02:00", event(**saved, attributes='{"type":"output","check":"black"}'))
    night.until("02:03:00")
    assert told(night) == {"bad-output": 1}


def gone(**fields):
    return event(**{"event": "instance_unreachable", "level": "ERROR", "instance": "gpu-1", **fields})


@pytest.mark.parametrize("channel", ["team", "keen"])
def test_nor_is_its_end_told_by_any_other_rule_or_again_when_it_happens_again(night, channel):
    night.at("02:00:00", *failed())
    night.at("02:07:00", *failed(workflow_id="wf-2"))
    night.until("04:00:00")
    rules = [(one.note.rule, one.note.status) for one in night.told if one.channel == channel]
    assert rules == [("oom", "firing"), ("oom", "firing"), ("oom", "resolved")]


@pytest.mark.parametrize("channel", ["team", "keen"])
def test_three_failures_in_a_row_are_two_messages(night, channel):
    for second in (0, 20, 40):
        night.at(f"02:00:{second:02}", *failed(workflow_id=f"wf-{second}"))
    night.until("02:04:00")
    assert told(night, channel) == {"oom": 1, "failures-in-a-row": 1}
    night.until("04:00:00")
    ended = [one.note.rule for one in night.told if one.channel == channel and one.note.status == "resolved"]
    assert set(ended) <= {"oom", "failures-in-a-row"}


@pytest.mark.parametrize("channel", ["team", "keen"])
def test_a_process_that_is_killed_with_five_runs_is_two_messages(night, channel):
    lost = {"event": "run_lost", "level": "ERROR", "instance": "gpu-1"}
    night.at("02:00:00", *(event(workflow_id=f"wf-{number}", **lost) for number in range(5)))
    night.at("02:01:00", gone())
    night.until("02:30:00")
    assert told(night, channel) == {"runs-lost": 1, "process-gone": 1}


def test_a_process_is_gone_until_there_is_a_sign_of_life(night):
    night.at("02:00:00", gone())
    night.until("04:00:00")
    assert [one.note.status for one in night.told if one.channel == "team"] == ["firing"]
    assert next((one["rule"], one["status"]) for one in night.alerts()) == ("process-gone", "firing")
    night.at("04:00:00", event(event="instance_recovered", instance="gpu-2"))
    assert len(night.told) == 2  # that is another one; both channels heard
    night.at("04:00:01", event(event="instance_recovered", instance="gpu-1"))
    assert [(one.at.hour, one.note.status) for one in night.told if one.channel == "team"][1:] == [(4, "resolved")]


def test_no_rule_tells_of_a_repair_that_failed_for_it_is_announced(night):
    night.at("02:00:00", event(event="remedy_failed", level="ERROR", service="safelight", instance="gpu-1"))
    night.until("02:30:00")
    assert told(night, "keen") == {}
    night.at("02:31:00", event(event="source_failed", level="ERROR", service="safelight"))
    assert told(night, "keen") == {"any-error": 1}


def test_a_rule_that_cannot_be_judged_is_told_and_what_alerting_does_is_not(night):
    ours = {"level": "ERROR", "service": "safelight"}
    for name in ("alert_acknowledged", "channel_disabled", "remedy_finished", "digest_sent", "silence_added"):
        night.at("02:00:00", event(event=name, **ours))
    night.until("02:10:00")
    assert night.told == []
    night.at("02:10:00", event(event="rule_failed", **ours))
    night.until("02:20:00")
    assert told(night) == {"any-error": 1}


def test_the_first_day_is_quiet_for_the_team(night):
    for number in range(5):
        group = f"missing_model:{number}.safetensors"
        night.at(f"02:{number:02}:00", event(event="hook_unavailable", level="WARNING", error_group=group))
    night.until("03:00:00")
    assert told(night) == {}
    assert told(night, "keen").keys() == {"new-error"}
    assert "rule_failed" not in [name for name, _ in night.notes]


def test_an_emptied_queue_is_told_once_and_never_fires(night):
    minute = {"event": "run_started", "instance": "gpu-1"}
    for number in range(40):
        at = f"02:{number:02}"
        night.at(f"{at}:00", event(workflow_id=f"wf-{number}", **minute))
        night.at(f"{at}:50", event(event="run_finished", instance="gpu-1", workflow_id=f"wf-{number}"))
    night.until("04:00:00")
    assert [(one.note.rule, one.note.status) for one in night.told if one.channel == "team"] == [
        ("queue-done", "firing")
    ]
    assert [one["status"] for one in night.alerts()] == ["resolved"]


def test_the_disk_with_the_least_room_is_told(night):
    def room(free_mb):
        load = {"disk_fullest_free_mb": free_mb, "disk_fullest_mount": "/models"}
        return event(event="resources_sampled", level="DEBUG", host="box", attributes=json.dumps({"host_load": load}))

    for second in range(0, 120, 10):
        night.at(f"02:{second // 60:02}:{second % 60:02}", room(700))
    assert told(night) == {"disk-full": 1}
