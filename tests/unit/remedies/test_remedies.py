"""Each remedy does what its name says, and says so when it cannot."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta

import anyio
import psutil
import pytest

from safelight.errors import InputError, RemedyError, ServiceError
from safelight.remedies import health, step
from safelight.remedies.execute import OUTPUT_BYTES, execute
from support.comfyui import ComfyUI
from support.docker import Daemon

pytestmark = pytest.mark.anyio
SOON = timedelta(seconds=30)


def python(code):
    return [sys.executable, "-c", code]


async def test_free_memory_asks_for_both(comfyui, around, cause):
    said = await step("free_memory").apply(cause(), around)
    (asked,) = (request for request in comfyui.asked if request.path == "/free")
    assert asked.json == {"unload_models": True, "free_memory": True}
    assert said.render("en").startswith("gpu-1 was told to unload its models")


async def test_free_memory_may_wait_for_an_idle_moment(comfyui, around, cause):
    await comfyui.run()
    with pytest.raises(RemedyError, match="busy with a run"):
        await step({"free_memory": {"only_when_idle": True}}).apply(cause(), around)
    assert "POST /free" not in comfyui.paths()


async def test_interrupt_stops_the_run_of_the_alert_and_no_other(comfyui, around, cause):
    comfyui.obeys = True
    run = await comfyui.run()
    said = await step("interrupt").apply(cause("another"), around)
    assert said.key == "remedies.interrupt.nothing"
    assert len(comfyui.running) == 1
    said = await step("interrupt").apply(cause(run, "another"), around)
    assert said.values["runs"] == run
    assert comfyui.running == []


async def test_interrupt_of_an_alert_without_runs_stops_whatever_runs(comfyui, around, cause):
    comfyui.obeys = True
    run = await comfyui.run()
    assert (await step("interrupt").apply(cause(), around)).values["runs"] == run


async def test_interrupt_fails_when_the_run_goes_on(comfyui, around, cause):
    run = await comfyui.run()
    with pytest.raises(RemedyError, match="goes on 200ms after it was interrupted"):
        await step({"interrupt": {"within": "200ms"}}).apply(cause(run), around)


async def test_requeue_submits_what_was_lost(around, cause):
    around.lost = 3
    said = await step("requeue").apply(cause(), around)
    assert (around.resubmitted, said.values["count"]) == ([("gpu-1", None, False)], 3)


async def test_a_paused_queue_holds_what_comes_until_it_is_resumed(comfyui, around, cause):
    pause, first = step("pause_queue"), await comfyui.queue()
    assert (await pause.apply(cause(), around)).values["count"] == 1
    second = await comfyui.queue()
    await pause.keep_up(cause(), around)
    assert comfyui.pending == []
    assert (await pause.undo(cause(), around)).values["count"] == 2
    assert [item[1] for item in comfyui.pending] == [first, second]
    third = await comfyui.queue()
    await pause.keep_up(cause(), around)  # nothing is paused any more
    assert comfyui.pending[-1][1] == third


async def test_resume_ends_a_pause_before_its_alert_does(comfyui, around, cause):
    run = await comfyui.queue()
    await step("pause_queue").apply(cause(), around)
    await step("resume_queue").apply(cause(), around)
    assert [item[1] for item in comfyui.pending] == [run]
    assert not await around.held.is_paused(comfyui.url)


async def test_a_comfyui_that_does_not_answer_is_not_paused(comfyui, around, cause):
    await comfyui.kill()
    with pytest.raises(ServiceError):
        await step("pause_queue").apply(cause(), around)
    assert not await around.held.is_paused(comfyui.url)


async def test_standby_takes_what_is_pending_and_what_was_lost(comfyui, around, cause):
    async with ComfyUI() as second:
        around.places["gpu-2"], around.lost = second.url, 2
        ids = [await comfyui.queue() for _ in range(3)]
        said = await step("standby").apply(cause(), around)
        assert [item[1] for item in second.pending] == ids
        assert comfyui.pending == []
        assert (said.values["count"], said.values["lost"]) == (3, 2)
        assert around.resubmitted == [("gpu-1", second.url, False)]


async def test_standby_takes_what_is_held_of_one_that_is_gone(comfyui, around, cause):
    async with ComfyUI() as second:
        around.places["gpu-2"] = second.url
        await comfyui.queue()
        await around.held.add(comfyui.url, comfyui.pending)
        await comfyui.kill()
        await step({"standby": {"to": "gpu-2"}}).apply(cause(), around)
        assert len(second.pending) == 1
        assert around.resubmitted == [("gpu-1", second.url, True)]


async def test_standby_needs_one_that_is_well(comfyui, around, cause):
    async with ComfyUI(pack={"worker_alive": False}) as second:
        around.places["gpu-2"] = second.url
        await comfyui.queue()
        with pytest.raises(RemedyError, match="its worker is dead"):
            await step("standby").apply(cause(), around)
        assert len(comfyui.pending) == 1


async def test_a_command_is_told_why_and_heard(around, cause):
    code = "import os; print(os.environ['SAFELIGHT_RULE'], os.environ['SAFELIGHT_RUNS'], os.environ['MINE'])"
    remedy = step({"command": {"run": python(code), "environment": {"MINE": "x"}}})
    assert (await remedy.apply(cause("r1", "r2"), around)).values["said"] == "oom r1 r2 x"


async def test_a_command_with_another_status_has_failed_with_its_words():
    with pytest.raises(RemedyError, match=r"status 3\. It said: no such fan"):
        await execute(python("import sys; sys.stderr.write('no such fan'); sys.exit(3)"), within=SOON)


SLEEPER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
"""


def is_there(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_command_that_takes_too_long_is_killed_with_what_it_started():
    sleeper = ["sh", "-c", "sleep 60 & echo $!; wait"]  # says so before an interpreter of Python would have begun
    with pytest.raises(RemedyError, match=r"killed after 3s\. It said: \d+") as caught:
        await execute(sleeper, within=timedelta(seconds=3))
    child = int(caught.value.values["said"])
    with anyio.fail_after(30):
        while is_there(child):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.02)


async def test_of_a_commands_output_the_end_is_kept_without_secrets():
    said = await execute(python("print('x' * 100_000, 'password=hunter2hunter2', 'the end')"), within=SOON)
    assert len(said.encode()) <= OUTPUT_BYTES
    assert said.endswith("the end")
    assert "hunter2" not in said


async def test_a_command_that_leaves_something_running_is_over_when_it_is():
    child = int(await execute(python(SLEEPER + "child.returncode = 0"), within=SOON))
    assert is_there(child)
    psutil.Process(child).kill()


async def test_a_command_that_is_not_there_says_so():
    with pytest.raises(RemedyError, match=r"/no/such/program cannot be started: No such file"):
        await execute(["/no/such/program"], within=SOON)


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """A systemctl that notes what it is asked; there is no systemd to ask here."""
    asked = tmp_path / "asked"
    fake = tmp_path / "systemctl"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {asked}\ntest "$5$3" != nonesuchrestart || exit 5\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return asked


async def test_a_unit_is_restarted_by_systemd(systemctl, around, cause):
    await step({"restart": {"service": "comfyui"}}).apply(cause(), around)
    await step({"restart": {"service": "comfyui", "user": True}}).apply(cause(), around)
    assert systemctl.read_text().splitlines() == [
        "--no-ask-password restart -- comfyui",
        "--user --no-ask-password restart -- comfyui",
    ]


async def test_a_unit_that_does_not_exist_is_a_failure(systemctl, around, cause):
    with pytest.raises(RemedyError, match="systemctl ended with status 5"):
        await step({"restart": {"service": "nonesuch", "user": True}}).apply(cause(), around)


async def test_a_container_is_restarted_over_the_socket(tmp_path, around, cause):
    with Daemon(tmp_path) as daemon:
        daemon.run("comfyui")
        settings = {"container": "comfyui", "socket": str(daemon.socket), "grace": "20s"}
        await step({"restart": settings}).apply(cause(), around)
        assert daemon.asked[-1] == "POST /v1.43/containers/comfyui/restart?t=20"
        with pytest.raises(InputError, match="no container nonesuch"):
            await step({"restart": {**settings, "container": "nonesuch"}}).apply(cause(), around)
        daemon.stubborn = True
        with pytest.raises(InputError, match="permission denied"):
            await step({"restart": settings}).apply(cause(), around)
    with pytest.raises(RemedyError, match="Docker daemon cannot be reached"):
        await step({"restart": settings}).apply(cause(), around)


async def test_a_restart_saves_the_queue_and_puts_it_back(comfyui, around, cause):
    ids = [await comfyui.queue() for _ in range(2)]
    remedy, around.lost = step({"restart": {"command": python("")}}), 1
    await remedy.apply(cause(), around)
    assert comfyui.pending == []
    said = await remedy.settle(cause(), around)
    assert [item[1] for item in comfyui.pending] == ids
    assert said.values["count"] == 3
    assert around.resubmitted == [("gpu-1", None, True)]


async def test_a_restart_leaves_a_paused_queue_paused(comfyui, around, cause):
    await comfyui.queue()
    await step("pause_queue").apply(cause(), around)
    remedy = step({"restart": {"command": python(""), "requeue": False}})
    await remedy.apply(cause(), around)
    assert await remedy.settle(cause(), around) is None
    assert comfyui.pending == []


async def test_a_process_of_ours_is_started_anew(comfyui, around, cause):
    await comfyui.kill()
    await step({"restart": {"start": "python main.py --note 'two words'"}}).apply(cause(), around)
    assert around.started == [(("python", "main.py", "--note", "two words"), "gpu-1 python")]


async def test_a_process_of_somebody_else_is_left_alone(comfyui, around, cause):
    with pytest.raises(RemedyError, match="was not started by Safelight"):
        await step({"restart": {"start": "python main.py"}}).apply(cause(), around)
    assert around.started == []


async def test_health_of_another_service_is_a_proper_answer(comfyui):
    await health.of_url(f"{comfyui.url}/queue")
    with pytest.raises(ServiceError, match="404"):
        await health.of_url(f"{comfyui.url}/no-such-page")
    await comfyui.kill()
    with pytest.raises(ServiceError, match="does not answer"):
        await health.of_url(f"{comfyui.url}/queue")


async def test_health_of_comfyui_is_its_queue_and_its_worker(comfyui, around):
    async with await around.comfyui("gpu-1") as client:
        await health.of_comfyui(client)
        comfyui.pack = {"worker_alive": False}
        with pytest.raises(RemedyError, match="its worker is dead"):
            await health.of_comfyui(client)
        comfyui.manner = "gateway"
        with pytest.raises(ServiceError):
            await health.of_comfyui(client)


def test_labels_of_the_alert_are_variables_of_a_command(cause):
    from safelight.remedies.command import variables

    assert json.loads(json.dumps(variables(cause("r1")))) == {
        "SAFELIGHT_ALERT": "a1",
        "SAFELIGHT_RULE": "oom",
        "SAFELIGHT_INSTANCE": "gpu-1",
        "SAFELIGHT_SERVICE": "comfyui",
        "SAFELIGHT_RUNS": "r1",
    }


def test_what_looks_like_an_option_is_no_unit():
    with pytest.raises(ValueError, match=r"restart\.service"):
        step({"restart": {"service": "--host=-oProxyCommand=x"}})


@pytest.mark.parametrize("kind", ["free_memory", "interrupt", "pause_queue"])
def test_a_password_within_an_address_is_not_told(kind, cause):
    remedy = step({kind: {"url": "http://ann:hunter22@gpu.example:8188"}})
    told = remedy.plan(replace(cause(), labels={})).render("en")
    assert "gpu.example" in told
    assert "hunter22" not in told


async def test_nor_that_of_a_service_that_is_not_well(cause):
    with pytest.raises(ServiceError) as told:
        await health.of_url("http://ann:hunter22@127.0.0.1:9/health")
    assert "127.0.0.1:9" in str(told.value)
    assert "hunter22" not in str(told.value)


def test_nor_that_of_the_other_one(cause):
    told = step({"standby": {"to": "http://ann:hunter22@gpu.example"}}).plan(cause()).render("en")
    assert "gpu.example" in told
    assert "hunter22" not in told
