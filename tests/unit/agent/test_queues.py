"""An agent's batches go to every sink that wants them; the positions of the sources go with the leader's."""

from __future__ import annotations

from types import SimpleNamespace

import anyio
import pyarrow.compute as pc
import pytest

from safelight.agent.queues import LEADING, Queues, Way
from safelight.batch import Batch
from safelight.errors import StoreError

pytestmark = pytest.mark.anyio


class Outlet:
    def __init__(self, log=None, name="", positions=None):
        self.offered, self.log, self.name, self.positions = [], log if log is not None else [], name, positions or {}
        self.fails, self.room = False, anyio.Event()
        self.room.set()

    async def offer(self, batch, checkpoint):
        await self.room.wait()
        if self.fails:
            raise StoreError("store.full")
        self.log.append(self.name)
        moved = {**self.positions, **checkpoint}
        self.positions = {key: value for key, value in moved.items() if value is not None}
        shown = {key: value for key, value in checkpoint.items() if key != LEADING}
        self.offered.append((batch["id"].to_pylist(), shown))

    @property
    def got(self):
        return [one for ids, _ in self.offered for one in ids]

    def checkpoint(self):
        return self.positions


def way(outlet, kind="file", choice=None):
    return Way(SimpleNamespace(kind=lambda: kind, called=outlet.name or kind), outlet, choice=choice)


def events(*ids):
    return Batch.of([{"id": one, "level": "ERROR" if one.startswith("e") else "INFO"} for one in ids])


def same(batch):
    return batch


def errors(batch, _):
    return pc.equal(batch["level"], "ERROR")


async def test_every_sink_gets_what_it_wants_and_the_server_is_last():
    log = []
    server, archive, alarms = Outlet(log, "server"), Outlet(log, "archive"), Outlet(log, "alarms")
    queues = Queues([way(server, "safelight"), way(archive), way(alarms, choice=errors)])
    await queues.take(events("a", "e"), same, {"file:1": "10"})
    assert server.offered == archive.offered == [(["a", "e"], {"file:1": "10"})]
    assert alarms.offered == [(["e"], {"file:1": "10"})]
    assert log == ["archive", "alarms", "server"]


async def test_what_nobody_wants_still_moves_the_positions():
    server, other = Outlet(), Outlet()
    queues = Queues([way(other, choice=errors), way(server, "safelight", errors)])
    await queues.take(events("a"), same, {"file:1": "10"})
    await queues.take(events("b"), lambda batch: batch.where([False]), {"file:1": "20"})
    await queues.take(events(), same, {"file:1": "30"})
    assert other.offered == []
    assert server.offered == [([], {"file:1": "10"}), ([], {"file:1": "20"}), ([], {"file:1": "30"})]


async def test_without_positions_an_empty_batch_is_nothing():
    server = Outlet()
    await Queues([way(server)]).take(events(), same)
    assert server.offered == []


async def test_steps_come_before_the_choice():
    alarms = Outlet()
    await Queues([way(alarms, choice=errors)]).take(events("a"), lambda batch: batch.with_column("level", "ERROR"))
    assert alarms.offered == [(["a"], {})]


async def test_the_positions_do_not_move_when_a_queue_refuses():
    server, archive = Outlet(), Outlet()
    archive.fails = True
    with pytest.raises(StoreError):
        await Queues([way(server, "safelight"), way(archive)]).take(events("a"), same, {"file:1": "10"})
    assert server.offered == []


async def test_sources_resume_from_the_leader_or_when_it_is_new_from_another():
    leader, other = Outlet(positions={"file:1": "20"}), Outlet(positions={"file:1": "10"})
    queues = Queues([way(leader, "safelight"), way(other)])
    assert queues.checkpoint() == {"file:1": "20"}
    leader.positions = {}
    assert queues.checkpoint() == {"file:1": "10"}
    assert Queues([way(Outlet())]).checkpoint() == {}


async def test_a_sink_gets_an_event_once_although_another_queue_refuses_it_at_first():
    archive, server = Outlet(name="archive"), Outlet(name="server")
    queues = Queues([way(archive), way(server, "safelight")])
    server.fails = True
    for _ in range(3):
        with pytest.raises(StoreError):
            await queues.take(events("a", "e"), same, {"file:1": "10"})
        with pytest.raises(StoreError):
            await queues.take(events("note"), same)
    server.fails = False
    await queues.take(events("note", "note 2"), same)
    await queues.take(events("a", "e"), same, {"file:1": "10"})
    assert archive.got == ["a", "e", "note", "note 2"]
    assert server.got == ["note", "note 2", "a", "e"]
    await queues.take(events("a"), same, {"file:1": "11"})  # the same name again is another event
    assert archive.got[-1] == server.got[-1] == "a"


async def test_a_new_leader_takes_over_all_positions_at_once():
    old = Outlet(name="old", positions={"file:1": "10", "file:2": "20", LEADING: "5"})
    new = Outlet(name="new", positions={"file:1": "3", "file:9": "1", LEADING: "4"})  # it led before, long ago
    queues = Queues([way(old), way(new, "safelight")])
    assert queues.checkpoint() == {"file:1": "10", "file:2": "20"}
    await queues.take(events("a"), same, {"file:1": "11"})
    assert Queues([way(new)]).checkpoint() == {"file:1": "11", "file:2": "20"}


async def test_sinks_in_another_order_do_not_send_the_sources_back():
    alarms, archive = Outlet(name="alarms"), Outlet(name="archive")
    queues = Queues([way(alarms, choice=errors), way(archive)])
    await queues.take(events("e"), same, {"file:1": "10"})
    await queues.take(events("a"), same, {"file:1": "20"})
    assert Queues([way(archive), way(alarms, choice=errors)]).checkpoint() == {"file:1": "20"}


async def test_after_a_stop_any_of_the_queues_can_lead():
    alarms, archive = Outlet(name="alarms"), Outlet(name="archive")
    queues = Queues([way(alarms, choice=errors), way(archive)])
    await queues.take(events("a"), same, {"file:1": "10"})
    await queues.agree()
    assert Queues([way(alarms)]).checkpoint() == {"file:1": "10"}


async def test_at_a_stop_what_is_in_hand_reaches_every_queue_and_nothing_more_is_taken():
    archive, server = Outlet(name="archive"), Outlet(name="server")
    queues = Queues([way(archive), way(server, "safelight")])
    server.room = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queues.take, events("a"), same, {"file:1": "10"})
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(queues.finish, 30)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(queues.take, events("b"), same, {"file:1": "20"})
        await anyio.wait_all_tasks_blocked()
        server.room.set()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert archive.got == server.got == ["a"]
