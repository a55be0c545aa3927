from __future__ import annotations

import os
import signal

import anyio
import anyio.lowlevel
import pytest

from safelight.demo import Demo, supervise
from safelight.errors import ConfigError, StoreError


def test_a_demo_has_a_directory_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    demo = Demo.under(None, 2.0)
    assert demo.data == tmp_path / "safelight-demo"
    assert demo.spool.is_dir()
    assert demo.spool.is_relative_to(demo.data)
    assert demo.speed == 2.0


def test_a_demo_can_be_put_elsewhere_and_opened_again(tmp_path):
    assert Demo.under(tmp_path / "here", 1.0).data == tmp_path / "here"
    (tmp_path / "here" / "events").mkdir()
    (tmp_path / "here" / "events" / "hot-000001.arrows").touch()
    assert Demo.under(tmp_path / "here", 1.0).data == tmp_path / "here"


def test_simulated_events_do_not_get_among_real_ones(tmp_path):
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "seg-000001.parquet").touch()
    with pytest.raises(ConfigError) as refused:
        Demo.under(tmp_path, 1.0)
    assert refused.value.key == "demo.not_simulated"
    assert not (tmp_path / "spool").exists()


def test_a_directory_that_cannot_be_made_is_said_to_be_unusable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as refused:
        Demo.under(tmp_path / "file" / "below", 1.0)
    assert refused.value.key == "store.unusable"


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def next_pid(demo, known=()):
    """The process that writes into the spool; a folder's name ends with it."""
    with anyio.fail_after(60):
        while True:
            pids = {int(folder.name.rpartition("-")[2]) for folder in demo.spool.iterdir() if folder.is_dir()}
            if new := pids - set(known):
                return new.pop()
            await anyio.sleep(0.02)


def test_a_studio_that_dies_is_opened_again_and_closed_with_the_server(monkeypatch, tmp_path):
    monkeypatch.setattr(supervise, "RETRY_S", (0.0,))
    demo = Demo.under(tmp_path, 50.0)

    async def scenario():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(demo.run)
            first = await next_pid(demo)
            os.kill(first, signal.SIGKILL)
            second = await next_pid(demo, {first})
            tasks.cancel_scope.cancel()
        return first, second

    for pid in anyio.run(scenario):
        assert not is_alive(pid)


def test_a_studio_that_will_not_end_is_ended(monkeypatch, tmp_path):
    monkeypatch.setattr(supervise, "GRACE_S", 0.05)
    demo = Demo.under(tmp_path, 1.0)

    async def scenario():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(demo.run)
            pid = await next_pid(demo)
            os.kill(pid, signal.SIGSTOP)
            tasks.cancel_scope.cancel()
        return pid

    assert not is_alive(anyio.run(scenario))


def test_a_studio_that_cannot_be_started_is_tried_again(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(supervise, "RETRY_S", (0.0,))
    monkeypatch.setattr(supervise.sys, "executable", str(tmp_path / "no-such-python"))

    async def scenario():
        with anyio.move_on_after(60) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Demo.under(tmp_path, 1.0).run)
                while len(caplog.records) < 2:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        assert not scope.cancelled_caught

    anyio.run(scenario)
