"""The host source: a line every so often, an error for every kill."""

from __future__ import annotations

from datetime import timedelta

import pytest

from safelight.hardware import kills
from safelight.hardware.cgroup import Group
from safelight.sources import host
from safelight.sources.host import Host, KillWatch
from support.measuring import Report, measuring


@pytest.fixture
def counter(monkeypatch):
    """The kernel's count of kills; what its log holds."""
    told = {"count": 5, "log": []}
    monkeypatch.setattr(host.kills, "total", lambda: told["count"])
    monkeypatch.setattr(host.kills, "latest", lambda count: told["log"][-count:])
    monkeypatch.setattr(host.cgroup, "own", lambda: None)
    return told


@pytest.mark.anyio
async def test_this_machine_tells_memory_processor_disks_and_network():
    report = Report()
    source = Host().model_copy(update={"every": timedelta(milliseconds=20)})
    async with measuring(source, report) as readings:
        (event,) = await readings.next()
    assert (event["event"], event["level"], event["service"]) == ("resources_sampled", "DEBUG", "safelight")
    assert 0 < event["ram_used_mb"] < event["host_load"]["ram_total_mb"]
    assert {"cpu_percent", "load", "disks"} <= set(event["host_load"])
    assert report.of("reading") == [1]


@pytest.mark.anyio
async def test_a_kill_comes_before_the_reading_it_changed(counter):
    source = Host().model_copy(update={"every": timedelta(milliseconds=20)})
    async with measuring(source) as readings:
        assert [event["event"] for event in await readings.next()] == ["resources_sampled"]
        counter["count"] = 6
        assert [event["event"] for event in await readings.next()] == ["oom_killed", "resources_sampled"]


def test_kills_before_the_start_are_history(counter):
    assert KillWatch().news() == []


def test_a_kill_names_the_process_where_the_log_may_be_read(counter):
    watch = KillWatch()
    counter.update(count=6, log=[kills.Kill(4711, "python", 30720.0, in_group=True)])
    (event,) = watch.news()
    assert (event["event"], event["level"], event["error_type"]) == ("oom_killed", "ERROR", "OOMKilled")
    assert (event["pid"], event["process"], event["ram_used_mb"], event["group_was_full"]) == (
        4711,
        "python",
        30720.0,
        True,
    )
    assert event["message"] == "The kernel killed python (pid 4711) for lack of memory, which held 30,720 MB"
    assert watch.news() == []


def test_every_kill_counts_also_those_that_the_log_does_not_hold(counter):
    watch = KillWatch()
    counter.update(count=8, log=[kills.Kill(1, "sh", None, in_group=False)])
    events = watch.news()
    assert [event.get("pid") for event in events] == [None, None, 1]
    assert events[0]["message"] == "The kernel killed a process for lack of memory"


def test_where_the_machine_hides_its_count_the_own_group_tells(counter, monkeypatch):
    counter["count"] = None
    group = {"kills": 0}
    monkeypatch.setattr(host.cgroup, "own", lambda: "a folder")
    monkeypatch.setattr(host.cgroup, "read", lambda folder: Group(1.0, None, None, group["kills"]))
    watch = KillWatch()
    group["kills"] = 1
    assert len(watch.news()) == 1


def test_a_kernel_that_says_nothing_is_no_error(counter):
    counter["count"] = None
    assert KillWatch().news() == []
