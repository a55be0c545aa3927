"""The Docker source, against a daemon that answers as the documentation shows, and against control groups."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from safelight.hardware.container import Container
from safelight.sources import docker
from safelight.sources.docker import Docker, History
from support.docker import Daemon
from support.measuring import Report, measuring


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(docker, "LOOK_AGAIN", timedelta(milliseconds=20))


def source(tmp_path, **fields):
    made = Docker(socket=tmp_path / "docker.sock", cgroups=fields.pop("cgroups", tmp_path / "cgroup"), **fields)
    return made.model_copy(update={"every": timedelta(milliseconds=20)})


def group(root, name, kills=0):
    folder = root / "system.slice" / f"docker-{Daemon.id_of(name)}.scope"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.current").write_text(f"{512 << 20}\n")
    (folder / "memory.max").write_text("max\n")
    (folder / "memory.events").write_text(f"oom_kill {kills}\n")
    (folder / "cpu.stat").write_text("usage_usec 1000000\n")
    return folder


@pytest.mark.anyio
async def test_a_running_container_tells_cpu_memory_and_network(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui", memory=3 << 30, cpu_s=1.0, traffic=(0, 0))
        daemon.run("stopped")
        daemon.end("stopped", 1)
        async with measuring(source(tmp_path)) as readings:
            (first,) = await readings.next()
            daemon.run("comfyui", memory=2 << 30, cpu_s=1.5, traffic=(10_240, 0))
            (second,) = await readings.next()
    assert first["container"] == {
        "name": "comfyui",
        "image": "studio/comfyui:latest",
        "id": Daemon.id_of("comfyui")[:12],
        "state": "running",
        "cpu_percent": None,  # the first reading has nothing to compare with
        "memory_mb": 3072.0,
        "memory_limit_mb": 4096.0,
        "network": None,
        "restarts": 0,
    }
    assert (first["event"], first["level"], first["ram_used_mb"]) == ("resources_sampled", "DEBUG", 3072.0)
    assert second["container"]["cpu_percent"] > 0
    assert second["container"]["network"]["received_kb"] > 0
    assert second["container"]["network"]["sent_kb"] == 0


@pytest.mark.anyio
async def test_a_container_killed_for_lack_of_memory_is_an_error_and_an_exit(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui")
        async with measuring(source(tmp_path)) as readings:
            await readings.next()
            daemon.end("comfyui", 137, oom_killed=True)
            killed, exited = await readings.next()
    assert (killed["event"], killed["level"], killed["container"]["name"]) == ("oom_killed", "ERROR", "comfyui")
    assert killed["error_message"] == "The kernel killed a process of container comfyui for lack of memory"
    assert (exited["event"], exited["level"]) == ("container_exited", "WARNING")
    assert (exited["exit_code"], exited["oom_killed"]) == (137, True)
    assert exited["message"] == "Container comfyui ended with exit code 137 (killed)"


@pytest.mark.anyio
async def test_a_process_killed_inside_a_living_container_is_seen_in_its_control_group(tmp_path):
    groups = tmp_path / "cgroup"
    group(groups, "comfyui")
    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui")
        async with measuring(source(tmp_path)) as readings:
            await readings.next()
            group(groups, "comfyui", kills=1)
            killed, sampled = await readings.next()
    assert (killed["event"], killed["container"]["name"]) == ("oom_killed", "comfyui")
    assert sampled["container"]["state"] == "running"


@pytest.mark.anyio
async def test_names_and_labels_choose(tmp_path):
    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui-1", labels={"studio": "yes"})
        daemon.run("comfyui-2")
        daemon.run("postgres", labels={"studio": "yes"})
        async with measuring(source(tmp_path, names=("comfyui*",), labels=("studio=yes",))) as readings:
            events = await readings.next()
    assert [event["container"]["name"] for event in events] == ["comfyui-1"]


@pytest.mark.anyio
@pytest.mark.parametrize(("version", "oldest", "spoken"), [("1.41", "1.12", "1.41"), ("1.60", "1.44", "1.51")])
async def test_it_only_reads_and_speaks_a_version_that_both_know(tmp_path, version, oldest, spoken):
    with Daemon(tmp_path, version, oldest) as daemon:
        daemon.run("comfyui")
        async with measuring(source(tmp_path)) as readings:
            await readings.next()
    assert daemon.asked[0] == "GET /version"
    assert len(daemon.asked) == 4
    assert all(asked.startswith(f"GET /v{spoken}/containers/") for asked in daemon.asked[1:])


@pytest.mark.anyio
async def test_without_a_socket_the_control_groups_tell(tmp_path):
    group(tmp_path / "cgroup", "comfyui")
    async with measuring(source(tmp_path)) as readings:
        (event,) = await readings.next()
    assert event["container"]["name"] == Daemon.id_of("comfyui")[:12]
    assert event["container"]["memory_mb"] == 512.0


@pytest.mark.anyio
async def test_without_docker_it_waits_and_finds_it_later(tmp_path):
    report = Report()
    async with anyio.create_task_group() as tasks, measuring(source(tmp_path), report) as readings:

        async def start():
            assert "docker.sock" in await report.until("waiting")
            group(tmp_path / "cgroup", "comfyui")

        tasks.start_soon(start)
        assert await readings.next()
    assert not report.of("trouble")


@pytest.mark.anyio
@pytest.mark.parametrize("garbage", [b"<html>", b"[1]", b'{"a":1}', b'[{"Id":"x"}]', b"3"], ids=range(5))
async def test_an_answer_that_makes_no_sense_is_trouble_not_the_end(tmp_path, garbage):
    report = Report()
    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui")
        daemon.garbage = garbage
        async with anyio.create_task_group() as tasks, measuring(source(tmp_path), report) as readings:

            async def mend():
                assert str(daemon.socket) in await report.until("trouble")
                daemon.garbage = None

            tasks.start_soon(mend)
            (event,) = await readings.next()
    assert event["container"]["name"] == "comfyui"


def seen(**fields):
    return Container(**{"id": "1" * 64, "name": "comfyui", "started_at": "monday", "restarts": 0, **fields})


def told(*looks):
    """The names of events of each look but the first."""
    history = History()
    said = [[event["event"] for event in history.news(list(look), float(n))] for n, look in enumerate(looks)]
    return said[1:]


def test_what_had_ended_before_the_first_look_is_history():
    history = History()
    assert list(history.news([seen(state="exited", exit_code=137, oom_killed=True)], 0.0)) == []
    assert list(history.news([seen(state="exited", exit_code=137, oom_killed=True)], 1.0)) == []


def test_one_that_lived_and_died_between_two_looks_is_told_of():
    assert told([], [seen(state="exited", exit_code=1)]) == [["container_exited"]]


def test_one_that_docker_started_again_had_exited():
    assert told([seen()], [seen(started_at="tuesday", restarts=1)]) == [["container_exited", "resources_sampled"]]


def test_one_that_is_gone_was_removed_after_its_exit():
    assert told([seen()], []) == [["container_exited"]]
    assert told([seen(state="exited", exit_code=0)], []) == [[]]


def test_a_kill_that_the_control_group_told_of_is_not_told_again_at_the_exit():
    ended = seen(state="exited", exit_code=137, oom_killed=True)
    assert told([seen(oom_kills=0)], [seen(oom_kills=1)], [ended]) == [
        ["oom_killed", "resources_sampled"],
        ["container_exited"],
    ]


def test_an_exit_that_was_meant_is_no_warning():
    history = History()
    list(history.news([seen()], 0.0))
    (exited,) = history.news([seen(state="exited", exit_code=0)], 1.0)
    assert exited["level"] == "INFO"


@pytest.mark.anyio
async def test_a_container_that_ended_is_asked_about_once_until_it_runs_again(tmp_path):
    def asked_about(name):
        return sum(daemon.id_of(name) in asked for asked in daemon.asked)

    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui")
        daemon.run("old")
        daemon.end("old", 1)
        async with measuring(source(tmp_path)) as readings:
            await readings.next()
            await readings.next()
            assert asked_about("comfyui") >= 4
            assert asked_about("old") == 1
            daemon.run("old", started="2024-01-06T06:00:00Z")
            started = [await readings.next(), await readings.next()][-1]
            assert {event["container"]["name"] for event in started} == {"comfyui", "old"}
            daemon.end("old", 3)
            codes = [event.get("exit_code") for event in [*await readings.next(), *await readings.next()]]
            assert codes.count(3) == 1
