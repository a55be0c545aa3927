"""Every committed event is offered to the outlet of a sink once, also over restarts."""

from __future__ import annotations

import time
from typing import Literal

import anyio
import anyio.from_thread
import pytest

from safelight.app import feed as room
from safelight.app.commits import Commits
from safelight.app.feed import Feed
from safelight.batch import Batch
from safelight.errors import StoreError, StoreFull
from safelight.processors.route import Route
from safelight.sinks import Sink
from safelight.store.segments import SegmentStore

WAIT_S = 30


class Nowhere(Sink):
    """A sink."""

    type: Literal["nowhere"] = "nowhere"

    def connect(self):
        raise NotImplementedError


class Outlets:
    """Opens outlets that remember what they were offered, over restarts."""

    def __init__(self):
        self.offered, self.positions, self.refusals, self.changed = [], [], 0, anyio.Event()

    def __call__(self, *_):
        return self

    async def __aenter__(self):
        if self.refusals:
            self.refusals -= 1
            raise StoreError("store.locked", directory="x", pid=1, url="-")
        return self

    async def __aexit__(self, *_):
        return None

    async def run(self):
        await anyio.sleep_forever()

    async def offer(self, batch, checkpoint):
        self.offered.append(batch["id"].to_pylist())
        self.positions.append(dict(checkpoint))
        self.changed.set()
        self.changed = anyio.Event()

    def checkpoint(self):
        return self.positions[-1] if self.positions else {}

    def status(self):
        return room.closed(Nowhere(), "") | {"state": "ok"}

    @property
    def ids(self):
        return [one for offer in self.offered for one in offer]

    async def until(self, holds):
        with anyio.fail_after(WAIT_S):
            while not holds():
                await self.changed.wait()


@pytest.fixture
def store(tmp_path):
    with SegmentStore.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def outlets(monkeypatch):
    made = Outlets()
    monkeypatch.setattr(room, "Outlet", made)
    monkeypatch.setattr(room, "LINGER_S", 0.0)
    monkeypatch.setattr(room, "wait_s", lambda _: 0.0)
    return made


class Notes(list):
    def __call__(self, event, message="", level="INFO", *_, **__):
        self.append((str(event), level))


class Fed:
    """A feed over a store, and a way to commit to it."""

    def __init__(self, store, tmp_path, sink=None, processors=()):
        self.store = store
        self.commits = Commits(store.figures().last_seq)
        self.notes = Notes()
        self.feed = Feed(sink or Nowhere(), processors, store, self.commits, tmp_path, self.notes, "en")

    def commit(self, *ids, **columns):
        commit = self.store.append(Batch.of([{"id": one, **columns} for one in ids]))
        self.commits.announce(commit.last_seq)


@pytest.mark.anyio
async def test_a_new_sink_begins_at_the_present_and_gets_what_comes_then(store, tmp_path, outlets):
    store.append(Batch.of([{"id": "past"}]))
    fed = Fed(store, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: outlets.positions)
        assert outlets.positions == [{"seq": "1"}]
        fed.commit("a", "b")
        fed.commit("import-c")
        await outlets.until(lambda: len(outlets.ids) == 3)
        assert fed.feed.behind == 0
        tasks.cancel_scope.cancel()
    assert outlets.ids == ["a", "b", "import-c"]
    assert outlets.checkpoint() == {"seq": "4"}


@pytest.mark.anyio
async def test_after_a_restart_it_goes_on_where_the_queue_ends(store, tmp_path, outlets, monkeypatch):
    monkeypatch.setattr(room, "PIECE", 2)
    outlets.positions = [{"seq": "2"}]
    store.append(Batch.of([{"id": one} for one in "abcdefg"]))
    fed = Fed(store, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: len(outlets.ids) == 5)
        tasks.cancel_scope.cancel()
    assert outlets.offered == [["c", "d"], ["e", "f"], ["g"]]
    assert [position["seq"] for position in outlets.positions[1:]] == ["4", "6", "7"]


@pytest.mark.anyio
async def test_it_is_fed_what_its_filter_and_the_routes_say(store, tmp_path, outlets):
    fed = Fed(store, tmp_path, Nowhere(where="level:ERROR"), [Route(where="tag:a*", to=("nowhere",))])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: outlets.positions)
        fed.commit("no", level="INFO", tag="abc")
        fed.commit("neither", level="ERROR", tag="b")
        fed.commit("yes", level="ERROR", tag="abc")
        await outlets.until(lambda: outlets.ids)
        tasks.cancel_scope.cancel()
    assert outlets.ids == ["yes"]
    assert outlets.checkpoint() == {"seq": "3"}


@pytest.mark.anyio
async def test_events_for_others_move_the_position_now_and_then(store, tmp_path, outlets, monkeypatch):
    monkeypatch.setattr(room, "REMEMBER", 3)
    fed = Fed(store, tmp_path, Nowhere(where="level:ERROR"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: outlets.positions)
        fed.commit("a", "b", "c", "d")
        await outlets.until(lambda: outlets.checkpoint() == {"seq": "4"})
        tasks.cancel_scope.cancel()
    assert outlets.ids == []


@pytest.mark.anyio
async def test_a_queue_that_cannot_be_opened_is_told_of_once_and_tried_again(store, tmp_path, outlets):
    outlets.refusals = 3
    fed = Fed(store, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: outlets.positions)
        assert fed.feed.status()["state"] == "ok"
        tasks.cancel_scope.cancel()
    assert fed.notes == [("sink_failed", "ERROR")]


def test_a_sink_whose_queue_is_not_open_says_why(store, tmp_path):
    shown = room.closed(Nowhere(name="x"), "It broke.")
    assert (shown["type"], shown["name"], shown["state"], shown["detail"]) == ("nowhere", "x", "broken", "It broke.")
    assert Fed(store, tmp_path).feed.status()["state"] == "idle"


@pytest.mark.anyio
async def test_what_retention_takes_before_it_was_read_is_counted(store, tmp_path, outlets):
    outlets.positions = [{"seq": "1"}]
    store.append(Batch.of([{"id": one} for one in "abcd"]))
    fed = Fed(store, tmp_path)
    blocked = anyio.Event()

    async def blocks(*_):
        blocked.set()
        await anyio.sleep_forever()

    outlets.offer = blocks
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        with anyio.fail_after(WAIT_S):
            await blocked.wait()
        store.seal()
        with fed.feed.removing():
            assert store.retain(max_bytes=0).events == 4
        tasks.cancel_scope.cancel()
    assert fed.feed.removed.total == {"retention": 3}
    assert fed.feed.status()["dropped"] == {"retention": 3}


@pytest.mark.anyio
async def test_a_position_of_another_store_is_not_waited_for(store, tmp_path, outlets):
    outlets.positions = [{"seq": "999"}]
    fed = Fed(store, tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        with anyio.fail_after(WAIT_S):
            await fed.feed.positioned.wait()
        fed.commit("a")
        await outlets.until(lambda: outlets.ids)
        tasks.cancel_scope.cancel()
    assert outlets.ids == ["a"]


@pytest.mark.anyio
async def test_while_the_disk_is_full_the_queue_stays_open_and_is_emptied(store, tmp_path, outlets):
    fed, full, opened = Fed(store, tmp_path), [StoreFull("store.full")] * 3, []
    offer = outlets.offer

    async def offered(batch, checkpoint):
        if len(batch) and full:
            raise full.pop()
        await offer(batch, checkpoint)

    async def ran():
        opened.append(1)
        await anyio.sleep_forever()

    outlets.offer, outlets.run = offered, ran
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: outlets.positions)
        fed.commit("a")
        await outlets.until(lambda: outlets.ids)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert outlets.ids == ["a"]
    assert len(opened) == 1
    assert fed.notes == [("sink_failed", "ERROR")]


@pytest.mark.anyio
async def test_a_new_sink_misses_nothing_that_came_while_its_queue_could_not_be_opened(store, tmp_path, outlets):
    fed, failing = Fed(store, tmp_path), [1] * 3
    enter = type(outlets).__aenter__

    class Late(type(outlets)):
        async def __aenter__(self):
            if failing:
                failing.pop()
                fed.commit(f"early {len(failing)}")
                raise StoreError("store.locked", directory="x", pid=1, url="-")
            return await enter(self)

    outlets.__class__ = Late
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: len(outlets.ids) == 3)
        tasks.cancel_scope.cancel()
    assert outlets.ids == ["early 2", "early 1", "early 0"]


@pytest.mark.anyio
@pytest.mark.parametrize("reading", [True, False])
async def test_a_store_that_closes_at_a_stop_is_no_failure_of_the_sink(store, tmp_path, outlets, monkeypatch, reading):
    fed, begun = Fed(store, tmp_path), anyio.Event()

    def closed(*_, **__):
        anyio.from_thread.run_sync(begun.set)
        while reading and not fed.feed._finishing:
            time.sleep(0.001)
        raise StoreError("store.closed")

    monkeypatch.setattr(store, "oldest", closed)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fed.feed.run)
        await outlets.until(lambda: outlets.positions)
        if not reading:
            fed.feed.finish()
        fed.commit("a")
        if reading:
            with anyio.fail_after(WAIT_S):
                await begun.wait()
            fed.feed.finish()
        await anyio.sleep(0.05)
        await anyio.wait_all_tasks_blocked()
        assert fed.feed._outlet is not None
        tasks.cancel_scope.cancel()
    assert fed.notes == []
