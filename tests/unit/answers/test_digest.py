"""The daily digest: every run once, why it failed with what to do, what is slower, and when all is well."""

from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from safelight.answers.digest import digest, message
from safelight.answers.digest.facts import DISK_FULL_PERCENT
from safelight.batch import Batch
from safelight.errors import StoreError
from safelight.locales import LANGUAGES
from safelight.store.segments import SegmentStore
from support.timeline import DAY, event

DAY_AFTER = DAY + timedelta(days=1)


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path / "data") as opened:
        yield opened


def at(hours, name, **fields):
    timestamp = DAY + timedelta(hours=hours)
    return event(event=name, timestamp=timestamp, received_at=timestamp, **fields)


def told(store, *events, language="en", zone=UTC, **options):
    if events:
        store.append(Batch.of(list(events)))
    facts = digest(store, DAY, DAY_AFTER, **options)
    return facts, message(
        facts, key="digest.2026-11-23.team", language=language, zone=zone, base_url="https://s.example"
    )


def a_day():
    run = {"workflow_id": "wf-1", "service": "comfyui"}
    oom = {"error_group": "gpu_oom:VAEDecode", "node": "VAEDecode", "level": "ERROR"}
    return [
        at(1, "run_finished", workflow_id="wf-0"),
        at(1, "run_finished", workflow_id="wf-0", source="history"),
        at(2, "node_failed", error_message="CUDA out of memory", **run, **oom),
        at(2, "run_failed", error_message="CUDA out of memory", **run, **oom),
        at(2, "run_finished", **run),
        at(3, "run_lost", workflow_id="wf-2"),
        at(4, "run_interrupted", workflow_id="wf-3"),
        at(4, "run_failed", workflow_id="wf-3"),
        at(5, "image_processed"),
        at(5, "processing_failed", level="ERROR", error_group="UnidentifiedImageError", error_message="not an image"),
        at(6, "output_saved", workflow_id="wf-0", attributes='{"type": "output", "filename": "a.png"}'),
        at(6, "output_saved", workflow_id="wf-0", attributes='{"type": "output", "filename": "a.png"}'),
        at(25, "run_failed", workflow_id="tomorrow"),
        at(-1, "run_failed", workflow_id="yesterday"),
    ]


def test_a_run_counts_once_by_how_it_ended_however_many_told_of_it(store):
    facts, _ = told(store, *a_day())
    assert (facts.done, facts.failed, facts.lost, facts.interrupted) == (2, 2, 1, 1)
    assert facts.outputs == 2
    assert not facts.all_is_well


def test_it_says_what_failed_and_what_to_do(store):
    _, note = told(store, *a_day())
    assert note.title == "Digest 2026-11-23: 2 done, 3 failed"
    assert "Runs: 2 done, 2 failed, 1 lost, 1 interrupted" in note.text
    assert "• 1× VAEDecode: " in note.text
    assert "--lowvram" in note.text
    assert "• 1× not an image" in note.text
    assert note.status == "firing"
    assert note.key == "digest.2026-11-23.team"


def test_in_chinese_with_the_clock_of_the_reader(store):
    _, note = told(store, *a_day(), language="zh-CN", zone=ZoneInfo("Asia/Shanghai"))
    assert note.title == "2026-11-23 日报：完成 2 个，失败 3 个"
    assert "从 11-22 08:00 到 11-23 08:00" in note.text
    assert "显存" in note.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_is_well_is_said_too(store, language):
    facts, note = told(store, at(1, "run_finished", workflow_id="wf-0"), language=language)
    assert facts.all_is_well
    assert note.status == "resolved"
    assert {"en": "All is well", "zh-CN": "一切正常"}[language] in note.title
    assert {"en": "All is well", "zh-CN": "一切正常"}[language] in note.text


def test_a_day_without_runs_says_so(store):
    _, note = told(store)
    assert "No run ended." in note.text


def test_what_is_slower_than_in_the_week_before_is_named(store):
    def many(hours, ms):
        return [at(hours + n / 60, "node_finished", node="KSampler", duration_ms=ms) for n in range(12)]

    facts, note = told(store, *many(-48, 2_000.0), *many(2, 5_000.0))
    assert [(slow.node, slow.ms, slow.usual_ms) for slow in facts.slower] == [("KSampler", 5_000.0, 2_000.0)]
    assert "Slower than in the 7 days before: KSampler, 5,000 ms instead of 2,000 ms" in note.text
    assert not facts.all_is_well


def test_a_few_slow_executions_are_no_news(store):
    facts, _ = told(
        store,
        *(at(-48 + n, "node_finished", node="KSampler", duration_ms=1.0) for n in range(12)),
        *(at(1 + n, "node_finished", node="KSampler", duration_ms=9.0) for n in range(3)),
    )
    assert facts.slower == ()


def test_the_hours_that_cards_were_busy_are_added_up_by_their_load(store):
    def reading(seconds, load, index=0):
        return at(
            1 + seconds / 3600,
            "resources_sampled",
            host="gpu-1",
            attributes=f'{{"gpu": {{"index": {index}, "utilization_percent": {load}}}}}',
        )

    readings = [reading(minute * 60, 50.0) for minute in range(121)] + [reading(3 * 3600, 100.0)]
    facts, note = told(store, *readings)
    assert facts.gpu_hours == 1.0
    assert "GPU time: 1.0 hours" in note.text


def test_without_a_card_nothing_is_said_of_it(store):
    facts, note = told(store, at(1, "run_finished", workflow_id="wf-0"))
    assert facts.gpu_hours is None
    assert "GPU" not in note.text


def test_the_fullest_disk_is_named_and_a_full_one_is_not_well(store):
    def disks(hours, used):
        return at(
            hours,
            "resources_sampled",
            host="box",
            attributes='{"host_load": {"disks": [{"mount": "/", "free_mb": 100000, "used_percent": 10},'
            f' {{"mount": "/data", "free_mb": 2048, "used_percent": {used}}}]}}}}',
        )

    facts, note = told(store, disks(1, 50), disks(2, 97.0))
    assert facts.disk.mount == "/data"
    assert facts.disk.used_percent > DISK_FULL_PERCENT
    assert not facts.all_is_well
    assert "Fullest disk: /data on box, 2,048 MB free (97 % used)" in note.text


def test_alerts_that_were_told_and_those_that_were_not_are_counted(store):
    fired = [
        at(1, "alert_fired", service="safelight", attributes='{"rule": "oom", "alert": "a1"}'),
        at(2, "alert_fired", service="safelight", attributes='{"rule": "oom", "alert": "a1"}'),
        at(2, "alert_fired", service="safelight", attributes='{"rule": "mine", "alert": "a2"}'),
        at(3, "alert_fired", service="safelight", attributes='{"rule": "mine", "alerts": 5, "labels": []}'),
        at(2, "alert_fired", service="safelight", attributes='{"rule": "mine", "alert": "a4", "muted": "silence"}'),
        at(2, "alert_fired", service="safelight", attributes='{"rule": "mine", "alert": "a1", "muted": "silence"}'),
        at(2, "alert_fired", service="safelight", attributes='{"rule": "oom", "alert": "a5", "muted": "quiet_hours"}'),
        at(3, "alert_fired", service="safelight", attributes='{"rule": "oom", "alert": "a6", "muted": "quiet_hours"}'),
        at(7, "alert_fired", service="safelight", attributes='{"rule": "oom", "alert": "a6"}'),
        at(7, "alert_fired", service="safelight", attributes='{"rule": "try", "alert": "a7", "muted": "shadow"}'),
        at(2, "alert_fired", service="other", attributes='{"rule": "forged", "alert": "a3"}'),
    ]
    facts, note = told(store, *fired, late=7)
    assert dict(facts.alerts) == {"oom": 2, "mine": 6}
    assert "Alerts: 8 (" in note.text
    assert "nobody was told (silences, quiet hours and the like): 3" in note.text
    assert "too late to alert anybody: 7" in note.text


def test_nothing_private_and_no_control_characters_are_in_it(store):
    _, note = told(
        store,
        at(1, "node_failed", workflow_id="w", error_group="x", level="ERROR", node="N\x1b[31m\u202e",
           error_message="cannot open /home/ann/x with sk-abcdefghijklmnopqrstuvwxyz123456"),
    )  # fmt: skip
    said = note.to_json()
    assert "/home/ann" not in said
    assert "sk-abcdef" not in said
    assert "\u202e" not in note.text
    assert "\x1b" not in note.text


def test_what_the_store_cannot_answer_is_left_out_and_said(store):
    class Broken:
        def run(self, *arguments, **options):
            raise StoreError("store.closed")

    facts = digest(Broken(), DAY, DAY_AFTER)
    note = message(facts, key="k", language="en", zone=UTC, base_url=None)
    assert not facts.all_is_well
    assert "did not answer in time" in note.text
    assert note.links == {}
