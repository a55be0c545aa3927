"""A collector waits until what its source gave is durable, and knows how the source is doing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio
import pytest

from safelight.batch import Batch
from safelight.collecting import collector as room
from safelight.collecting.collector import MOST_TROUBLES, Collector
from safelight.errors import ConfigError, StoreFull
from safelight.sources import Arrival, Progress, Source

WAIT_S = 30


class Given(Source):
    """A source of the batches that it is given; says when each was taken."""

    type: Literal["given"] = "given"
    batches: tuple[list, ...] = ()

    @property
    def name(self):
        return "given"

    async def arrivals(self, resume, report):
        report.reading(1)
        for number, rows in enumerate(self.batches[int(resume.get("at", 0)) :]):
            report.took(100)
            yield Arrival(Batch.of(rows), {"at": str(number + 1)})
        report.reading(0)
        await anyio.sleep_forever()


class Shelf:
    """A destination that refuses a few times."""

    def __init__(self, refusals=0):
        self.events, self.positions, self.refusals, self.changed = [], {}, refusals, anyio.Event()

    async def take(self, batch, process, checkpoint=None, batch_id=None):
        if self.refusals:
            self.refusals -= 1
            raise StoreFull("store.full")
        self.events += process(batch).table.to_pylist()
        self.positions.update(checkpoint)
        self.changed.set()
        self.changed = anyio.Event()

    def checkpoint(self):
        return self.positions


class Notes:
    def __init__(self):
        self.said = []

    def note(self, event, message="", level="INFO", *_, **__):
        self.said.append((str(event), level))


def collector(*batches, shelf=None, process=lambda batch: batch):
    return Collector(Given(batches=batches), process, shelf or Shelf(), Notes(), "en")


async def until(shelf, count):
    with anyio.fail_after(WAIT_S):
        while len(shelf.events) < count:
            await shelf.changed.wait()


async def run(one, count):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.run)
        await until(one.destination, count)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(room, "wait_s", lambda _: 0.0)


@pytest.mark.anyio
async def test_it_counts_events_bytes_and_what_was_not_understood():
    good, bad = {"id": "a"}, {"id": "b", "parse_error": "no"}
    one = collector([good, bad], [good])
    await run(one, 3)
    shown = one.figures()
    assert (shown["events"], shown["bytes"], shown["not_understood"]) == (3, 200, 1)
    assert shown["last_event_at"] is not None
    assert shown["rate"] > 0
    assert one.destination.positions == {"at": "2"}


@pytest.mark.anyio
async def test_what_the_store_refuses_is_offered_again_and_counted_once():
    one = collector([{"id": "b", "parse_error": "no"}], shelf=Shelf(refusals=3))
    await run(one, 1)
    assert (one.events.total, one.seen.total["not_understood"], one.failure) == (1, 1, None)
    assert one.journal.said == [("source_failed", "CRITICAL")]


@pytest.mark.anyio
async def test_a_batch_goes_through_its_steps_once_however_often_the_store_refuses():
    class Late(Shelf):
        async def take(self, batch, process, checkpoint=None, batch_id=None):
            process(batch)
            await super().take(batch, process, checkpoint, batch_id)

    learned = []

    def process(batch):
        learned.extend(batch["id"].to_pylist())
        return batch

    one = collector([{"id": "a"}], [{"id": "b"}], shelf=Late(refusals=3), process=process)
    await run(one, 2)
    assert learned == ["a", "b"]
    assert [event["id"] for event in one.destination.events] == ["a", "b"]


@pytest.mark.anyio
async def test_a_source_that_falls_over_goes_on_from_what_is_durable():
    shelf, failures = Shelf(), [ZeroDivisionError()]

    def process(batch):
        if failures and batch["id"].to_pylist() == ["b"]:
            raise failures.pop()
        return batch

    one = collector([{"id": "a"}], [{"id": "b"}], [{"id": "c"}], shelf=shelf, process=process)
    await run(one, 3)
    assert [event["id"] for event in shelf.events] == ["a", "b", "c"]
    assert one.journal.said == [("source_failed", "ERROR")]


@pytest.mark.anyio
async def test_events_from_the_future_show_that_a_clock_is_wrong():
    ahead = datetime.now(UTC) + timedelta(hours=2)
    one = collector([{"id": "a", "timestamp": ahead}])
    await run(one, 1)
    assert one.figures()["ahead_s"] > 7000
    one = collector([{"id": "a", "timestamp": ahead}], [{"id": "b", "timestamp": datetime.now(UTC)}])
    await run(one, 2)
    assert one.figures()["ahead_s"] == 0


def test_files_are_shown_that_are_furthest_behind():
    one = collector()
    one.progress([Progress(f"/{n}", size=1000, offset=1000 - n, lag_s=float(n)) for n in range(150)])
    shown = one.figures()
    assert (shown["lag_s"], shown["behind_bytes"], shown["files_total"]) == (149.0, sum(range(150)), 150)
    assert [file["path"] for file in shown["files"]] == [f"/{n}" for n in range(149, 49, -1)]


def test_a_source_without_files_has_no_lag():
    shown = collector().figures()
    assert (shown["lag_s"], shown["behind_bytes"], shown["files"]) == (None, None, [])


def test_what_was_turned_away_is_counted_by_reason():
    one = collector()
    one.refused(2, "too_large")
    one.refused(1, "not_json")
    one.refused(1, "too_large")
    figures = one.figures()
    assert figures["refused"] == {"too_large": 3, "not_json": 1}
    assert {why: seen["count"] for why, seen in figures["lately"]["refused"].items()} == figures["refused"]


def test_a_line_that_was_cut_is_told_of_once():
    one = collector()
    for cut in (1, 1, 3):
        one.progress([Progress("/a.log", size=9, offset=9, lag_s=0.0, cut=cut)])
    assert one.figures()["lately"]["cut"]["count"] == 3


def test_a_file_that_cannot_be_read_is_trouble_until_it_can():
    one, error = collector(), ConfigError("config.no_such_file", path="x")
    one.reading(1)
    one.trouble("/a", error)
    assert (one.state, list(one.figures()["troubles"])) == ("reading", ["/a"])
    one.reading(0)
    assert one.state == "failed"
    one.recovered("/a")
    assert (one.state, one.figures()["troubles"]) == ("waiting", {})


def test_of_many_that_are_in_trouble_the_oldest_are_forgotten():
    one = collector()
    for number in range(MOST_TROUBLES + 5):
        one.trouble(f"/{number}", ConfigError("config.no_such_file", path=number))
    assert list(one.figures()["troubles"]) == [f"/{number}" for number in range(5, MOST_TROUBLES + 5)]
