"""Repairs are tried under guard, written down, told; and what was taken is given back, whatever crashes."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import anyio
import psutil
import pytest

from safelight.alerts.database import Database
from safelight.alerts.held import Shelf
from safelight.alerts.repairs import Repairs
from safelight.alerts.rule import Rule
from safelight.alerts.views import Target
from safelight.app.processes import Started
from safelight.app.remedying import Remedying
from safelight.app.reports import Reports
from safelight.app.resubmit import Resubmitter
from safelight.app.surroundings import Around
from safelight.app.targets import Targets
from safelight.batch import Batch
from safelight.documents import Documents
from safelight.errors import InputError, RemedyError, StoreError
from safelight.sources.comfyui import ComfyUI as Source
from safelight.store.segments import SegmentStore
from support.comfyui import ComfyUI

pytestmark = pytest.mark.anyio
TEAM, PHONE = Target("team", "webhook", 2, "en"), Target("phone", "webhook", 3, "zh-CN")
QUICK = {"cool_down": "1ms"}


class Server:
    """A worker with all that it needs, on one ComfyUI called gpu-1."""

    def __init__(self, root, *urls, dry_run=False):
        self.database = Database(root / "state.sqlite")
        self.store = SegmentStore.open(root)
        store = self.store.__enter__()
        sources = [Source(url=url, instance=f"gpu-{number}") for number, url in enumerate(urls, 1)]
        self.resubmitter = Resubmitter(store, Documents(root / "documents"), Targets(sources))
        self.shelf = Shelf(self.database)
        self.around = Around(store, self.shelf, self.resubmitter)
        self.repairs = Repairs(self.database, lambda: datetime.now(UTC))
        self.notes, self.messages, self.keys, self.woken = [], [], [], 0
        self.changed = anyio.Event()
        reports = Reports(self.announce, self.note, self.told, "en")
        self.worker = Remedying(self.repairs, self.shelf, self.around, reports, dry_run=dry_run)
        self.tell = store.append

    def announce(self, key, build):
        self.keys.append(key)
        self.messages += [note for target in (TEAM, PHONE) if (note := build(target))]

    def note(self, event, /, **fields):
        self.notes.append((str(event), fields))

    def told(self):
        self.woken += 1

    def fires(self, *then, alert="a1", severity=3, labels=None, runs=(), channels=None):
        """The engine has seen it."""
        events = [{"id": run, "workflow_id": run} for run in runs]
        known = {"instance": "gpu-1", "service": "comfyui"} if labels is None else labels
        given = SimpleNamespace(id=alert, severity=severity, labels=known, events=events)
        self.repairs.begin(given, Rule(id="oom", when="any level:ERROR", then=list(then), channels=channels))
        self.worker.wake()

    def over(self, alert="a1"):
        self.repairs.over(SimpleNamespace(id=alert))
        self.worker.wake()

    def words(self):
        """What was told last, in English."""
        return [note.text for note in self.messages if note.language == "en"][-1]

    async def until(self, check, within_s=30):
        with anyio.fail_after(within_s):
            while not (found := check()):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        return found

    async def ended(self, *statuses):
        """Once the repairs, oldest first, are like this, and were told."""

        def check():
            return [one.status for one in reversed(self.repairs.newest())] == list(statuses)

        await self.until(check)
        finished = len([status for status in statuses if status not in {"waiting", "running"}])
        await self.until(lambda: len([1 for name, _ in self.notes if name == "remedy_finished"]) >= finished)

    def close(self):
        self.store.__exit__(None, None, None)
        self.database.close()


@asynccontextmanager
async def serving(root, *urls, **how):
    server = Server(root, *urls, **how)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.worker.run)
            yield server
            tasks.cancel_scope.cancel()
    finally:
        server.close()


@pytest.fixture
async def comfyui():
    async with ComfyUI() as studio:
        yield studio


def python(code):
    return [sys.executable, "-c", code]


async def test_a_step_is_done_noted_and_told(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"free_memory": {}})
        await server.ended("done")
        assert comfyui.paths().count("POST /free") == 1
        (_, began), (_, ended) = server.notes
        assert [name for name, _ in server.notes] == ["remedy_started", "remedy_finished"]
        assert began["message"] == "oom: Have gpu-1 unload its models and free memory."
        assert (ended["level"], ended["instance"]) == ("INFO", "gpu-1")
        said = ended["attributes"]
        assert {said["alert"], said["rule"], said["remedy"], said["status"]} == {"a1", "oom", "free_memory", "done"}
        assert said["dry_run"] is False
        assert said["took_ms"] >= 0
        await server.until(lambda: server.woken)
        assert [note.language for note in server.messages] == ["en", "zh-CN"]
        assert server.messages[0].title == "Remedy for oom: free_memory on gpu-1"
        assert server.messages[1].text.startswith("已要求 gpu-1 卸载模型")


async def test_only_channels_that_the_alert_concerns_are_told(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"free_memory": {}}, severity=2)
        await server.until(lambda: server.woken)
        assert [note.severity for note in server.messages] == [2]
        server.fires({"requeue": {}}, alert="a2", channels=("phone",))
        await server.until(lambda: server.woken == 2)
        assert [note.language for note in server.messages[1:]] == ["zh-CN"]


async def test_a_dry_run_names_the_whole_plan_once_and_does_nothing_until_a_person_says_so(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url, dry_run=True) as server:
        then = [{"free_memory": {"else": "requeue"}}, {"interrupt": {}}]
        server.fires(*then)
        await server.ended("dry_run")
        assert "POST /free" not in comfyui.paths()
        (_, noted) = server.notes[-1]
        assert noted["message"] == (
            "A dry run: nothing was done. What it would do: Have gpu-1 unload its models and free memory. "
            "If that does not help: Submit again what waited on gpu-1 when it ended. "
            "If that does not help: Interrupt what runs on gpu-1."
        )
        assert noted["attributes"]["dry_run"] is True
        server.fires(*then)
        await server.ended("dry_run", "dry_run")
        await server.until(lambda: server.woken == 1)
        server.repairs.do(server.repairs.newest()[-1].id)
        server.worker.wake()
        await server.ended("dry_run", "dry_run", "done")
        assert "POST /free" in comfyui.paths()


async def test_a_remedy_may_be_for_real_where_others_are_not(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url, dry_run=True) as server:
        server.fires({"free_memory": {"dry_run": False}})
        await server.ended("done")


async def test_a_failure_leads_to_the_next_step_and_the_last_one_pages(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        await comfyui.kill()
        server.fires({"command": {"run": python("raise SystemExit(3)"), "else": "pause_queue"}}, {"interrupt": {}})
        await server.ended("failed", "failed", "failed")
        await server.until(lambda: server.notes[-1][0] == "remedy_failed")
        failed = [fields for name, fields in server.notes if name == "remedy_failed"]
        assert len(failed) == 1
        assert failed[0]["level"] == "ERROR"
        assert failed[0]["message"].endswith("Nothing more is tried.")
        assert server.messages[0].title.startswith("Remedy for oom failed: command on gpu-1")
        assert "Next: Pause the queue of gpu-1" in server.messages[0].text


async def test_too_often_stops_and_says_so(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        for number in range(2):
            server.fires({"free_memory": {"max": "1 per 1h", **QUICK}}, alert=f"a{number}")
            await server.until(lambda: not server.repairs.waiting())
        await server.ended("done", "skipped")
        await server.until(lambda: server.notes[-1][0] == "remedy_failed")
        assert comfyui.paths().count("POST /free") == 1
        assert "its limit of 1 within 1h is reached" in server.words()


async def test_what_was_just_done_for_another_alert_is_not_done_again_nor_told(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"free_memory": {}}, alert="a1")
        server.fires({"free_memory": {}}, alert="a2")
        await server.ended("done", "skipped")
        assert comfyui.paths().count("POST /free") == 1
        assert len(server.keys) == 1


async def test_two_remedies_for_one_instance_wait_for_each_other_and_others_do_not(tmp_path, comfyui):
    log = tmp_path / "log"
    write = "; ".join(
        (
            "import time",
            f"log = open({str(log)!r}, 'a', buffering=1)",
            "log.write('begin\\n')",
            "time.sleep(0.3)",
            "log.write('end\\n')",
        )
    )
    async with ComfyUI() as second, serving(tmp_path, comfyui.url, second.url) as server:
        for number in range(2):  # under two names the same place
            labels = {"instance": "gpu-1"} if number else {}
            settings = {"run": python(f"{write} # {number}"), "url": comfyui.url, **QUICK}
            server.fires({"command": settings}, alert=f"a{number}", labels=labels)
        await server.ended("done", "done")
        assert log.read_text().split() == ["begin", "end"] * 2
        gate = "import os, time\nwhile not os.path.exists({!r}): time.sleep(0.01)"
        settings = {"run": python(gate.format(str(tmp_path / "gate"))), "max": "9 per 1h", **QUICK}
        server.fires({"command": settings}, alert="b1")
        await server.until(lambda: server.repairs.newest()[0].status == "running")
        server.fires({"free_memory": {}}, alert="b2", labels={"instance": "gpu-2"})
        await server.ended("done", "done", "running", "done")
        (tmp_path / "gate").touch()
        await server.ended("done", "done", "done", "done")


async def test_health_is_waited_for_and_told(tmp_path, comfyui):
    comfyui.pack = {"worker_alive": False}
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"restart": {"command": python(""), "requeue": False}})
        await server.until(lambda: "GET /safelight/state" in comfyui.paths())
        comfyui.pack["worker_alive"] = True
        await server.ended("done")
        assert "It answers after" in server.notes[-1][1]["message"]


async def test_one_that_does_not_become_healthy_has_failed(tmp_path, comfyui):
    comfyui.pack = {"worker_alive": False}
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"restart": {"command": python(""), "wait_for_health": "1s"}})
        await server.ended("failed")
        assert "It did not become healthy within 1s" in server.notes[-1][1]["message"]
        assert "its worker is dead" in server.notes[-1][1]["message"]


async def test_a_service_of_which_nobody_knows_where_it_answers_is_not_waited_for(tmp_path):
    async with serving(tmp_path) as server:
        server.fires({"restart": {"command": python("")}}, labels={"service": "photos"})
        await server.ended("done")


async def test_another_service_is_healthy_when_its_address_answers(tmp_path, comfyui):
    async with serving(tmp_path) as server:
        settings = {"command": python(""), "health_url": f"{comfyui.url}/queue"}
        server.fires({"restart": settings}, labels={"service": "photos"})
        await server.ended("done")
        assert "It answers after" in server.notes[-1][1]["message"]


async def test_a_paused_queue_is_resumed_when_the_alert_is_over(tmp_path, comfyui):
    first = await comfyui.queue()
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"pause_queue": {}})
        await server.ended("done")
        assert comfyui.pending == []
        second = await comfyui.queue()
        await server.until(lambda: not comfyui.pending)
        server.over()
        await server.ended("undone")
        assert [item[1] for item in comfyui.pending] == [first, second]
        await server.until(lambda: "prompts put back: 2" in server.words())


async def test_a_pause_survives_a_crash_of_ours_and_a_comfyui_that_is_away(tmp_path, comfyui):
    run = await comfyui.queue()
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"pause_queue": {}})
        await server.ended("done")
    await comfyui.kill()
    async with serving(tmp_path, comfyui.url) as server:
        server.over()
        await server.until(lambda: server.notes)
        (name, fields) = server.notes[0]
        assert name == "remedy_failed"
        assert "Could not be taken back yet" in fields["message"]
        assert server.repairs.in_force()
    await comfyui.start()
    async with serving(tmp_path, comfyui.url) as server:
        await server.ended("undone")
        assert [item[1] for item in comfyui.pending] == [run]


async def test_a_remedy_cut_short_is_reported_not_repeated_and_its_queue_goes_back(tmp_path, comfyui):
    run = await comfyui.queue()
    code = python("import time; time.sleep(60)")
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"restart": {"command": code}})
        await server.until(lambda: not comfyui.pending and server.repairs.newest()[0].status == "running")
    async with serving(tmp_path, comfyui.url) as server:
        await server.ended("failed")
        assert "Safelight was stopped while it was at this" in server.notes[0][1]["message"]
        await server.until(lambda: [item[1] for item in comfyui.pending] == [run])
        assert [name for name, _ in server.notes] == ["remedy_finished", "remedy_failed"]


async def test_the_end_of_all_steps_is_paged_once(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        for _ in range(3):
            server.fires({"free_memory": {}})
            await server.until(lambda: not server.repairs.waiting())
            await server.ended("done")
        await server.until(lambda: server.words() == "Every step was tried, and the alert goes on.")
        assert len([name for name, _ in server.notes if name == "remedy_failed"]) == 1


async def test_a_remedy_that_breaks_has_failed_and_the_worker_goes_on(tmp_path, comfyui, monkeypatch):
    from safelight.remedies.requeue import Requeue

    async def broken(*_):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(Requeue, "apply", broken)
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"requeue": {}}, {"free_memory": {}})
        await server.ended("failed", "done")
        assert "ZeroDivisionError: nobody thought of this" in server.notes[1][1]["message"]


def run_event(name, run, **attributes):
    return {
        "id": f"{name}-{run}",
        "timestamp": datetime.now(UTC) - timedelta(seconds=60),
        "event": name,
        "workflow_id": run,
        "instance": "gpu-1",
        "service": "comfyui",
        "attributes": json.dumps(attributes),
    }


async def test_lost_runs_are_waited_for_until_they_are_declared(tmp_path, comfyui):
    server = Server(tmp_path, comfyui.url)
    try:
        server.tell(Batch.of([run_event("run_queued", "r1")]))
        async with anyio.create_task_group() as tasks:

            async def submit():
                with pytest.raises(RemedyError, match="Some lost prompts could not be submitted"):  # nothing was kept
                    await server.around.resubmit_lost("gpu-1", gone_before=datetime.now(UTC))
                done.set()

            done = anyio.Event()
            tasks.start_soon(submit)
            await anyio.wait_all_tasks_blocked()
            assert not done.is_set()
            server.tell(Batch.of([run_event("run_lost", "r1", was="queued")]))
            with anyio.fail_after(30):
                await done.wait()
    finally:
        server.close()


async def test_the_other_one_is_the_only_other_one(tmp_path):
    server = Server(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    try:
        assert await server.around.other("gpu-1") == "http://127.0.0.1:2"
    finally:
        server.close()


async def test_without_another_one_there_is_none(tmp_path):
    server = Server(tmp_path, "http://127.0.0.1:1")
    try:
        with pytest.raises(InputError, match="no single other ComfyUI"):
            await server.around.other("gpu-1")
    finally:
        server.close()


SERVICE = "import signal, sys, time; {}; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def started(tmp_path):
    database = Database(tmp_path / "state.sqlite")
    mine = Started(Shelf(database))
    yield mine
    for child in mine._children.values():
        child.kill()
        child.wait()
    database.close()


async def begin(started, code, output=None, grace=timedelta(seconds=20)):
    return await started.restart(python(code), name="gpu-1", directory=None, environment={}, output=output, grace=grace)


async def test_a_process_is_started_ended_and_started_anew(started, tmp_path):
    first, before = await begin(started, SERVICE.format("pass"), tmp_path / "out")
    assert before is None
    assert await started.is_ours("gpu-1")
    second, before = await begin(started, SERVICE.format("pass"), tmp_path / "out")
    assert before == first
    assert not psutil.pid_exists(first)
    assert psutil.pid_exists(second)


async def test_a_process_that_ignores_sigterm_is_killed(started, tmp_path):
    ignoring = SERVICE.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    first, _ = await begin(started, ignoring, tmp_path / "out")
    with anyio.fail_after(30):
        while "up" not in (tmp_path / "out").read_text():  # noqa: ASYNC110 - another process
            await anyio.sleep(0.02)
    await begin(started, SERVICE.format("pass"), grace=timedelta(milliseconds=300))
    assert not psutil.pid_exists(first)


async def test_a_process_is_known_after_a_restart_of_ours(started, tmp_path):
    pid, _ = await begin(started, SERVICE.format("pass"))
    database = Database(tmp_path / "state.sqlite")
    try:
        later = Started(Shelf(database))
        assert await later.is_ours("gpu-1")
        Shelf(database).keep_process("gpu-1", pid, 1.0)  # another one that has its number now
        assert not await later.is_ours("gpu-1")
    finally:
        database.close()


async def test_a_command_line_that_ends_at_once_has_failed(started, monkeypatch):
    monkeypatch.setattr("safelight.app.processes._SOON_S", 60)  # how soon is a matter of how busy the machine is
    with pytest.raises(RemedyError, match=r"ended at once with status 7"):
        await begin(started, "raise SystemExit(7)")
    assert not await started.is_ours("gpu-1")


async def test_what_breaks_one_repair_stops_no_other(tmp_path, comfyui, monkeypatch):
    monkeypatch.setattr("safelight.app.remedying.AGAIN_S", 0.1)
    release = tmp_path / "release"
    waits = f"import pathlib, time\nwhile not pathlib.Path({str(release)!r}).exists(): time.sleep(0.05)"
    slow = {"command": {"run": [sys.executable, "-c", waits], "instance": "gpu-1", "within": "60s"}}
    async with serving(tmp_path, comfyui.url) as server:
        real = server.repairs.start

        def start(repair, place):
            if repair.remedy.kind() == "free_memory":
                raise ZeroDivisionError
            return real(repair, place)

        server.repairs.start = start
        server.fires(slow)
        await server.until(lambda: server.repairs.newest()[0].status == "running")
        server.fires({"free_memory": {"url": "http://127.0.0.1:9"}}, alert="a2")
        await server.until(lambda: "task_failed" in [name for name, _ in server.notes])
        release.touch()
        await server.until(lambda: server.repairs.newest("a1")[0].status == "done")


async def test_an_end_that_cannot_be_written_is_written_once_the_disk_takes_it(tmp_path, comfyui, monkeypatch):
    monkeypatch.setattr("safelight.app.remedying.AGAIN_S", 0.01)
    async with serving(tmp_path, comfyui.url) as server:
        real, refusals = server.repairs.finish, iter([True, True])

        def finish(*given):
            if next(refusals, False):
                raise StoreError("alerts.state_unwritable", path="x", reason="full")
            real(*given)

        server.repairs.finish = finish
        server.fires({"free_memory": {}})
        await server.ended("done")


async def test_a_time_that_has_come_is_not_remembered(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        server.worker._again_at |= {"gone-by": anyio.current_time(), "to-come": anyio.current_time() + 1e6}
        assert server.worker._due("gone-by")
        assert not server.worker._due("to-come")
        assert list(server.worker._again_at) == ["to-come"]


async def test_the_end_of_what_can_be_tried_is_one_urgent_message(tmp_path, comfyui):
    async with serving(tmp_path, comfyui.url) as server:
        server.fires({"command": {"run": python("raise SystemExit(3)")}}, severity=2)
        await server.ended("failed")
        await server.until(lambda: server.messages)
        assert [(note.language, note.severity) for note in server.messages] == [("en", 3), ("zh-CN", 3)]


@pytest.mark.parametrize(
    ("why", "status", "final", "messages"),
    [
        (None, "done", False, 1),
        ("quiet_hours", "done", False, 0),
        ("quiet_hours", "failed", True, 2),
        ("quiet_hours", "skipped", True, 2),
        ("flapping", "failed", True, 2),
        ("flapping", "skipped", True, 0),
    ],
)
async def test_of_an_alert_that_is_kept_quiet_only_what_needs_people_is_told(
    tmp_path, comfyui, why, status, final, messages
):
    async with serving(tmp_path, comfyui.url, dry_run=True) as server:
        server.fires({"free_memory": {}}, severity=2)
        await server.ended("dry_run")
        await server.until(lambda: server.messages)
        server.messages.clear()
        (one,) = server.repairs.newest()
        await server.worker.reports.ended(one, status, [], final=final, hushed=why)
        assert len(server.messages) == messages


@pytest.mark.parametrize(("step", "field"), [({"standby": {"to": "gpu-9"}}, "to"), ({"free_memory": {}}, "url")])
async def test_what_nobody_knows_the_address_of_is_named_in_the_step(tmp_path, comfyui, step, field):
    async with serving(tmp_path, comfyui.url) as server:
        server.fires(step, labels={"instance": "gpu-9" if field == "url" else "gpu-1"})
        await server.ended("failed")
        await server.until(lambda: server.messages)
        assert f"Where gpu-9 answers is not known: write its address into the step as `{field}`" in server.words()
