"""A run whose process died is declared lost once, with where it was; a living one never is."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import pytest

from safelight.app import lost as room
from safelight.app.commits import Commits
from safelight.app.intake import Intake
from safelight.app.ledger import Lost
from safelight.app.lost import Keeper
from safelight.app.writers import is_gone
from safelight.batch import Batch
from safelight.collecting.journal import Journal
from safelight.errors import StoreError
from safelight.pipeline import redaction
from safelight.query.sql import Sql
from safelight.store.segments import SegmentStore
from safelight.tail.position import Identity, Position

pytestmark = pytest.mark.anyio
NOW = datetime.now(UTC)
FOLDER = "comfyui-gpu_01-20261122T100000Z-4711"


class Resubmitter:
    """Notes what it is asked for."""

    def __init__(self, *, policy=("queued",), answers=True):
        self.policy, self.answering, self.asked = policy, answers, []

    async def wants(self, lost: Lost):
        return ("running" if lost.was_running else "queued") in self.policy

    async def by_policy(self, lost: Lost):
        self.asked.append(lost.run_id)
        return self.answering


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(room, "CERTAIN_AFTER_S", 0.0)


def event(name, run="run-1", *, after_s=0.0, folder=FOLDER, spool=None, attributes=None, **columns):
    return {
        "id": f"{name}-{run}-{after_s}-{columns.get('node_id')}",
        "timestamp": NOW + timedelta(seconds=after_s),
        "received_at": NOW - timedelta(minutes=1),
        "event": name,
        "level": "INFO",
        "service": "comfyui",
        "workflow_id": run,
        "instance": "gpu-01:8188",
        "host": "gpu-01",
        "source": f"{spool}/{folder}/events-20261122-000001.ndjson" if spool else None,
        "attributes": json.dumps(attributes) if attributes else None,
        **columns,
    }


class Server:
    """The keeper, what it works on, and time."""

    def __init__(self, store, spool, resubmitter=None):
        self.store, self.spool = store, spool
        self.commits = Commits(store.figures().last_seq)
        self.intake = Intake(store, self.commits)
        self.journal = Journal(redaction(()), "en")
        self.resubmitter = resubmitter or Resubmitter()
        self.keeper = Keeper(store, self.commits, self.journal, [spool], self.resubmitter, "en")

    async def tell(self, *events, **more):
        rows = [event(*one, spool=self.spool, **more) if isinstance(one, tuple) else one for one in events]
        await self.intake.take(Batch.of(rows), lambda batch: batch)

    async def look(self, times=2):
        """As often as it takes to be certain."""
        for _ in range(times):
            await self.keeper._catch_up()
            self.keeper.look()
        await self.journal.flush(self.intake)
        await self.keeper._catch_up()
        return self.lost()

    def lost(self):
        return self.store.oldest(Sql("event = 'run_lost'"), limit=100).to_pylist()


@contextmanager
def writer(spool, folder=FOLDER, content=b""):
    """A process that appends to its spool file: it holds a lock."""
    (spool / folder).mkdir(parents=True)
    path = spool / folder / "events-20261122-000001.ndjson"
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(content)
        file.flush()
        yield path


def durable(path, offset):
    with path.open("rb") as file:
        position = Position.first(str(path), file.fileno(), offset)
        return {Identity.of(os.fstat(file.fileno())).key("spool"): position.dump()}


async def test_a_run_in_the_middle_of_a_node_is_lost_with_the_node_and_the_last_memory(store, spool):
    server = Server(store, spool)
    await server.tell(
        event("run_queued", spool=spool, workflow_name="ID photo"),
        event("run_started", spool=spool, after_s=1),
        event("node_started", spool=spool, after_s=2, node="Load", node_id="1"),
        event("node_finished", spool=spool, after_s=3, node="Load", node_id="1"),
        event("resources_sampled", spool=spool, after_s=4, vram_used_mb=1000.0, ram_used_mb=7000.0),
        event("node_started", spool=spool, after_s=5, node="KSampler", node_id="3"),
        event("resources_sampled", spool=spool, after_s=6, vram_used_mb=23_000.0, ram_used_mb=8000.0),
    )
    (row,) = await server.look()
    assert row["level"] == "ERROR"
    assert (row["service"], row["host"], row["instance"]) == ("comfyui", "gpu-01", "gpu-01:8188")
    assert (row["workflow_id"], row["workflow_name"]) == ("run-1", "ID photo")
    assert (row["node"], row["node_id"], row["vram_used_mb"], row["ram_used_mb"]) == ("KSampler", "3", 23_000, 8000)
    attributes = json.loads(row["attributes"])
    assert attributes["was"] == "running"
    assert "proof" not in attributes
    assert "KSampler (node 3)" in row["message"]


async def test_a_run_that_waited_says_so(store, spool):
    server = Server(store, spool)
    await server.tell(("run_queued",))
    (row,) = await server.look()
    assert json.loads(row["attributes"])["was"] == "queued"
    assert row["node"] is None


async def test_a_run_is_declared_lost_once_also_by_the_next_server(store, spool):
    server = Server(store, spool)
    await server.tell(("run_queued",), ("run_queued", "run-2"))
    assert len(await server.look()) == 2
    assert len(await server.look()) == 2
    assert len(await Server(store, spool).look()) == 2


async def test_a_repetition_that_has_ended_is_not_lost_to_the_next_server(store, spool):
    repeats = event("run_queued", spool=spool, attributes={"replay_of": "run-0"})
    await Server(store, spool).tell(repeats, ("run_started",), ("run_finished",))
    assert await Server(store, spool).look() == []


async def test_a_server_that_starts_later_finds_what_was_lost_meanwhile(store, spool):
    await Server(store, spool).tell(("run_queued",), ("run_started",))
    assert len(await Server(store, spool).look()) == 1


async def test_a_note_that_is_not_committed_yet_is_not_made_twice(store, spool):
    server = Server(store, spool)
    await server.tell(("run_queued",))
    await server.keeper._catch_up()
    server.keeper.look()
    server.keeper.look()
    server.keeper._seq = None  # the keeper fell over and was started again
    await server.keeper._catch_up()
    server.keeper.look()
    server.keeper.look()
    assert len(await server.look()) == 1


@pytest.mark.parametrize("end", ["run_finished", "run_failed", "run_interrupted", "run_rejected", "run_lost"])
async def test_a_run_that_has_ended_is_left_alone(store, spool, end):
    server = Server(store, spool)
    await server.tell(("run_queued",), ("run_started",))
    await server.keeper._catch_up()
    await server.tell((end,))
    assert len(await server.look()) == (end == "run_lost")


async def test_a_process_must_be_gone_for_some_time(store, spool, monkeypatch):
    monkeypatch.setattr(room, "CERTAIN_AFTER_S", 3600.0)
    server = Server(store, spool)
    await server.tell(("run_queued",))
    assert not await server.look(5)


async def test_a_living_process_has_its_runs(store, spool):
    server = Server(store, spool)
    with writer(spool):
        await server.tell(("run_queued",), ("run_started",))
        assert not await server.look()


async def test_a_run_goes_on_in_another_folder_of_its_process(store, spool):
    server = Server(store, spool)
    await server.tell(("run_queued",), ("run_started",))
    with writer(spool, f"{FOLDER}.2"):
        assert not await server.look()


async def test_a_run_whose_last_sign_of_life_is_in_a_living_folder_goes_on(store, spool):
    server = Server(store, spool)
    other = "comfyui-gpu_01-20261122T110000Z-5000"
    await server.tell(("run_queued",))
    await server.tell(("resources_sampled",), folder=other)
    with writer(spool, other):
        assert not await server.look()


async def test_a_process_that_is_heard_lives_also_where_its_lock_cannot_be_seen(store, spool):
    server = Server(store, spool)
    await server.tell(("run_queued",), ("run_queued", "run-2"))
    await server.tell(("resources_sampled",), received_at=datetime.now(UTC))
    assert not await server.look()


async def test_runs_that_came_another_way_are_not_judged(store, spool, tmp_path):
    server = Server(store, spool)
    imported = event("run_queued", "run-3", spool=spool) | {"id": "import-run-3"}
    await server.tell(event("run_queued", "run-1"), event("run_queued", "run-2", spool=tmp_path / "other"), imported)
    assert not await server.look()


async def test_a_kill_for_lack_of_memory_at_that_time_on_that_host_is_the_proof(store, spool):
    server = Server(store, spool)
    kill = {"id": "kill-1", "event": "oom_killed", "level": "ERROR", "service": "safelight"}
    await server.tell(
        ("run_queued",),
        kill | {"host": "gpu-02", "timestamp": NOW + timedelta(seconds=1)},
        kill | {"id": "kill-2", "host": "gpu-01", "timestamp": NOW + timedelta(hours=1)},
        kill | {"id": "kill-3", "host": "gpu-01", "timestamp": NOW + timedelta(seconds=20)},
    )
    (row,) = await server.look()
    attributes = json.loads(row["attributes"])
    assert (attributes["proof"], attributes["proof_id"]) == ("oom_killed", "kill-3")
    assert "lack of memory" in row["message"]


async def test_the_keeper_is_woken_by_what_is_committed(store, spool, monkeypatch):
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.01)
    server = Server(store, spool)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.keeper.run)
            tasks.start_soon(server.journal.run, server.intake)
            await server.tell(("run_queued",), ("run_started",), ("run_finished",), ("run_queued", "run-2"))
            await server.commits.after(4)
            tasks.cancel_scope.cancel()
    assert [row["workflow_id"] for row in server.lost()] == ["run-2"]


async def test_a_store_that_does_not_answer_is_asked_again(store, spool, monkeypatch):
    monkeypatch.setattr(room, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(room, "RETRY_S", 0.01)
    server, refusals = Server(store, spool), []

    def refuse(*_):
        refusals.append(1)
        if len(refusals) < 3:
            raise StoreError("store.closed")
        asked.set()
        return []

    monkeypatch.setattr(room, "left_open", refuse)
    asked = threading.Event()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.keeper.run)
            await anyio.to_thread.run_sync(asked.wait)
            tasks.cancel_scope.cancel()


# Whether a writer is gone.


async def test_a_folder_that_was_read_and_deleted_has_no_writer(spool):
    assert is_gone(spool / FOLDER, {})


async def test_what_is_not_durable_yet_may_still_hold_the_end(spool):
    with writer(spool, content=b'{"event":"run_finished"}\n') as path:
        assert not is_gone(path.parent, durable(path, 25))
    assert not is_gone(path.parent, {})
    assert not is_gone(path.parent, durable(path, 10))
    assert is_gone(path.parent, durable(path, 25))


async def test_a_writer_killed_in_the_middle_of_a_line_is_gone_when_the_lines_are_durable(spool):
    with writer(spool, content=b'{"event":"log"}\n{"event":"ru') as path:
        pass
    assert is_gone(path.parent, durable(path, 16))
    assert not is_gone(path.parent, durable(path, 0))


async def test_another_process_of_the_same_machine_is_another_one(spool):
    with writer(spool, "comfyui-gpu_01-20261122T100000Z-47110"), writer(spool, "other-gpu_01-20261122T100000Z-4711"):
        assert is_gone(spool / FOLDER, {})


# Submitting again.


async def waiting(store, spool, resubmitter, *events):
    server = Server(store, spool, resubmitter)
    await server.tell(*events)
    await server.keeper._catch_up()
    await server.keeper.resubmit(server.keeper.waiting())
    return resubmitter.asked


def lose(run, was="queued", **more):
    return event("run_lost", run, attributes={"was": was}, **more)


async def test_what_waited_is_submitted_again_in_order_and_what_ran_only_if_asked(store, spool):
    lost = lose("run-2"), lose("run-1", "running"), lose("run-3")
    assert await waiting(store, spool, Resubmitter(), *lost) == ["run-2", "run-3"]
    assert await waiting(store, spool, Resubmitter(policy=("queued", "running"))) == ["run-2", "run-1", "run-3"]


async def test_nothing_is_submitted_twice_and_what_failed_to_be_reached_is_tried_later(store, spool):
    resubmitter = Resubmitter(answers=False)
    server = Server(store, spool, resubmitter)
    await server.tell(lose("run-1"), lose("run-2"))
    await server.keeper._catch_up()
    await server.keeper.resubmit(server.keeper.waiting())
    assert resubmitter.asked == ["run-1"]  # an instance that does not answer is asked once
    resubmitter.answering = True
    await server.keeper.resubmit(server.keeper.waiting())
    await server.keeper.resubmit(server.keeper.waiting())
    assert resubmitter.asked == ["run-1", "run-1", "run-2"]


async def test_what_was_submitted_again_before_is_not_whoever_did_it(store, spool):
    noted = event("run_resubmitted", "run-1", attributes={"new_id": "run-8"})
    seen = event("run_queued", "run-9", attributes={"replay_of": "run-2"})
    ended = event("run_finished", "run-9")
    assert await waiting(store, spool, Resubmitter(), lose("run-1"), lose("run-2"), noted, seen, ended) == []
    assert await waiting(store, spool, Resubmitter()) == []


async def test_what_could_not_be_submitted_is_not_tried_again_unasked(store, spool):
    refused = event("run_resubmitted", "run-1", attributes={"new_id": None})
    assert await waiting(store, spool, Resubmitter(), lose("run-1"), refused) == []


async def test_what_repeats_a_run_that_was_lost_while_it_ran_is_not_repeated(store, spool):
    both = Resubmitter(policy=("queued", "running"))
    repeated = event("run_resubmitted", "run-1", attributes={"new_id": "run-2"})
    assert await waiting(store, spool, both, lose("run-1", "running"), repeated, lose("run-2", "running")) == []
    again = event("run_resubmitted", "run-5", attributes={"new_id": "run-6"})
    assert await waiting(store, spool, both, lose("run-5"), again, lose("run-6")) == ["run-6"]


async def test_what_was_lost_long_ago_is_left_to_people(store, spool):
    old = lose("run-1", after_s=-room.RESUBMIT_WITHIN.total_seconds() - 60)
    assert await waiting(store, spool, Resubmitter(), old) == []


async def test_what_was_lost_and_seen_to_end_after_all_is_not_submitted_again(store, spool):
    ended = event("run_finished", "run-1", after_s=9)
    assert await waiting(store, spool, Resubmitter(), lose("run-1"), ended, lose("run-2")) == ["run-2"]
    assert await waiting(store, spool, Resubmitter()) == ["run-2"]  # the next server


async def test_what_is_seen_to_end_while_its_comfyui_does_not_answer_is_not_tried_again(store, spool):
    resubmitter = Resubmitter(answers=False)
    server = Server(store, spool, resubmitter)
    await server.tell(lose("run-1"))
    await server.keeper._catch_up()
    assert [lost.run_id for lost in server.keeper.waiting()] == ["run-1"]
    await server.tell(event("run_finished", "run-1", after_s=9))
    await server.keeper._catch_up()
    assert server.keeper.waiting() == []
