"""Failures by cause: counted once, over time, with their past, their runs, and what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from safelight.answers import errors, errors_one
from safelight.batch import Batch
from safelight.processors.fingerprint import fingerprint
from safelight.store.segments import SegmentStore

NOW = datetime.now(UTC).replace(microsecond=0)
PACK = (
    'Traceback (most recent call last):\n  File "/srv/ComfyUI/execution.py", line 496, in execute\n    run()\n'
    '  File "/srv/ComfyUI/custom_nodes/was-suite/mask.py", line 7, in grow\n    raise Odd\nValueError: odd'
)


def failure(*ago, group=None, event="node_failed", **fields):
    said = {"level": "ERROR", "event": event, "service": "comfyui", "instance": "gpu-1", "error_group": group}
    return {"timestamp": NOW - timedelta(*ago), **said, **fields}


def oom(*ago, run, node="VAEDecode", **more):
    fields = {"error_type": "torch.OutOfMemoryError", "error_message": "CUDA out of memory", "workflow_id": run}
    return failure(*ago, node=node, node_id="8", **fields, **more)


def odd(*ago, **more):
    return failure(*ago, error_type="ValueError", error_message="odd mask", node="Grow", traceback=PACK, **more)


@pytest.fixture(autouse=True)
def today():
    """Each test has its own now: a long run of many tests must not carry events out of the last seven days."""
    global NOW  # noqa: PLW0603 - what all helpers of this file count from
    NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def holding(tmp_path):
    """`holding(*events)`: a store of these."""
    opened = []

    def hold(*told):
        store = SegmentStore.open(tmp_path)
        opened.append(store)
        rows = [{**one, "id": one.get("id", f"e{at}")} for at, one in enumerate(told)]
        store.append(fingerprint(Batch.of(sorted(rows, key=lambda row: row["timestamp"]))))
        return store

    yield hold
    for one in opened:
        one.close()


def by_group(answer):
    return {group["group"]: group for group in answer["errors"]}


def test_nothing_went_wrong(holding):
    store = holding({"timestamp": NOW, "level": "INFO", "message": "fine"})
    answer = errors(store)
    assert (answer["errors"], answer["families"]) == ([], [])
    assert errors_one(store, "gpu_oom:VAEDecode") is None


def test_a_known_failure_has_its_title_its_cause_and_an_advice_in_the_language_of_the_reader(holding):
    store = holding(oom(0, 60, run="a"))
    english, chinese = (errors(store, language=language)["errors"][0] for language in ("en", "zh-CN"))
    assert english["group"] == "gpu_oom:VAEDecode"
    assert (english["family"], english["known"], english["title"]) == ("gpu_oom", True, "GPU memory ran out")
    assert chinese["title"] == "显存不足"
    assert "--lowvram" in chinese["advice"]["advice"]
    assert english["advice"]["cause"] != chinese["advice"]["cause"]


def test_an_unknown_failure_has_no_advice_but_says_whose_code_it_was(holding):
    (group,) = errors(holding(odd(0, 60)))["errors"]
    assert (group["family"], group["known"], group["advice"]) == (None, False, None)
    assert group["title"] == "ValueError: odd mask"
    assert group["blame"] == {"pack": "was-suite", "frame": "was-suite/mask.py:7 grow"}


def test_where_the_traceback_is_gone_the_console_still_names_the_pack(holding):
    told = {"attributes": json.dumps({"frame": "pack/a.py:1 f", "node_pack": "pack"})}
    (group,) = errors(holding(failure(0, 60, error_type="ValueError", error_message="x", **told)))["errors"]
    assert group["blame"] == {"pack": "pack", "frame": "pack/a.py:1 f"}


def test_a_run_that_failed_in_a_node_counts_once_and_its_user_is_who_queued_it(holding):
    queued = {"timestamp": NOW - timedelta(0, 90), "event": "run_queued", "workflow_id": "a", "user_id": "maria"}
    told = [oom(0, 60, run="a", event=event) for event in ("node_failed", "run_failed", "log")]
    store = holding(*told, oom(0, 30, run="b"), queued)
    (group,) = errors(store)["errors"]
    assert (group["count"], group["runs"], group["users"], sum(group["sparkline"])) == (2, 2, 1, 2)
    assert [one["workflow_id"] for one in errors_one(store, group["group"])["recent"]] == ["b", "a"]


def test_a_run_that_was_only_seen_from_outside_counts_too(holding):
    store = holding(oom(0, 60, run="a", event="run_failed"), oom(0, 60, run="a", event="log"))
    (group,) = errors(store)["errors"]
    assert (group["count"], sum(group["sparkline"])) == (1, 1)
    assert len(errors_one(store, group["group"])["recent"]) == 1


def test_the_sparkline_has_thirty_bars_from_the_first_moment_to_the_last(holding):
    (group,) = errors(holding(oom(6, 86_000, run="a"), oom(0, 60, run="b"), oom(0, 50, run="c")))["errors"]
    assert len(group["sparkline"]) == 30
    assert (group["sparkline"][0], group["sparkline"][-1], sum(group["sparkline"])) == (1, 2, 3)


@pytest.mark.parametrize(
    ("days", "new", "back"),
    [
        ([1], True, False),
        ([1, 3], True, False),
        ([1, 9], False, True),
        ([1, 8.5, 20], False, True),
        ([1, 5, 8], False, False),
        ([1, 2, 6.9, 7.5, 13], False, False),
    ],
)
def test_new_is_what_never_was_before_and_back_what_was_gone_for_a_week(holding, days, new, back):
    (group,) = errors(holding(*(oom(day, run=f"r{day}") for day in days)))["errors"]
    assert (group["new"], group["back"]) == (new, back)
    assert group["first_seen"] == (NOW - timedelta(max(days))).isoformat().replace("+00:00", ".000000Z")


def test_back_is_seen_within_a_long_span_too(holding):
    (group,) = errors(holding(oom(1, run="a"), oom(20, run="b")), start="now-30d")["errors"]
    assert (group["new"], group["back"]) == (True, True)


def test_groups_are_found_by_family_service_node_and_part_and_families_count_all_that_is_left(holding):
    store = holding(
        oom(0, 60, run="a"), oom(0, 50, run="b", node="KSampler"), odd(0, 40, service="photos", instance="p1")
    )
    assert {group["group"] for group in errors(store, family="gpu_oom")["errors"]} == {
        "gpu_oom:VAEDecode",
        "gpu_oom:KSampler",
    }
    assert [group["group"] for group in errors(store, family="unknown")["errors"]] == ["ValueError:Grow:odd mask"]
    counted = {one["value"]: one["count"] for one in errors(store, family="gpu_oom")["families"]}
    assert counted == {"gpu_oom": 2, "unknown": 1}
    assert [group["services"] for group in errors(store, service="photos")["errors"]] == [["photos"]]
    assert [group["nodes"] for group in errors(store, node="KSampler")["errors"]] == [
        [{"value": "KSampler", "count": 1}]
    ]
    assert len(errors(store, q="MEMORY RAN")["errors"]) == 2
    assert len(errors(store, q="显存", language="zh-CN")["errors"]) == 2
    assert [group["family"] for group in errors(store, q="odd")["errors"]] == [None]
    assert len(errors(store, limit=1)["errors"]) == 1


def test_what_safelight_says_of_its_alerting_is_no_error_and_what_it_says_of_itself_is(holding):
    ours = {"service": "safelight", "error_group": "error:x"}
    store = holding(failure(0, 9, event="alert_fired", **ours), failure(0, 8, event="task_failed", **ours))
    (group,) = errors(store)["errors"]
    assert (group["count"], group["services"]) == (1, ["safelight"])


def test_one_group_has_an_example_with_its_traceback_and_the_alerts_about_it(holding):
    def alert(event, ago, alert_id, group="ValueError:Grow:odd mask"):
        said = {"alert": alert_id, "rule": "new", "count": 1, "labels": {"error_group": group}}
        return {
            "timestamp": NOW - timedelta(0, ago), "event": event, "service": "safelight", "attributes": json.dumps(said)
        }  # fmt: skip

    store = holding(
        odd(0, 60, id="with-traceback"),
        {**odd(0, 50, id="without"), "traceback": None},
        alert("alert_fired", 45, "one"),
        alert("alert_resolved", 40, "one"),
        alert("alert_fired", 30, "two"),
        alert("alert_fired", 20, "another", group="disk_full"),
    )
    one = errors_one(store, "ValueError:Grow:odd mask")
    assert one["example"]["id"] == "with-traceback"
    assert [(each["id"], each["message"]) for each in one["recent"]] == [
        ("without", "odd mask"),
        ("with-traceback", "odd mask"),
    ]
    assert [(each["id"], each["status"], each["rule"]) for each in one["alerts"]] == [
        ("two", "firing", "new"),
        ("one", "resolved", "new"),
    ]
    assert one["alerts"][1]["started_at"].startswith((NOW - timedelta(0, 45)).isoformat()[:19])


def test_no_message_of_a_user_is_taken_for_sql_or_a_pattern(holding):
    group = "it's \"; DROP TABLE events; -- %_"
    store = holding(failure(0, 60, group=group, error_message=group))
    assert errors_one(store, group)["group"] == group
    assert len(errors(store, q="%_")["errors"]) == 1
    assert errors(store, q="%x_")["errors"] == []


def test_a_time_before_all_times_is_empty(holding):
    assert errors(holding(oom(0, 60, run="a")), end="0001-01-01T00:00:00Z")["errors"] == []
