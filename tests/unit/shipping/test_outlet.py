from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from safelight.errors import SinkError, SinkRefused, StoreFull, StoreLocked
from safelight.shipping.attempts import Attempts
from safelight.shipping.outlet import Outlet
from safelight.sinks import Refusal
from support.shipping import T0, Hands, Notebook, Obedient, events, made, until

pytestmark = pytest.mark.anyio
DOWN = SinkError("shipping.no_answer", seconds=1)


def ids(first: int, count: int) -> list[str]:
    return [f"e{number}" for number in range(first, first + count)]


@pytest.fixture
def notes() -> Notebook:
    return Notebook()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def outlet(tmp_path: Path, notes: Notebook, hands: Hands) -> Callable[..., AbstractAsyncContextManager[Outlet]]:
    """An outlet that is open, and sends unless told not to."""

    @asynccontextmanager
    async def opened(sink: Obedient, *, running: bool = True, patience_s: float = 60.0) -> Any:
        attempts = Attempts(sink.retry, chance=lambda: 1.0)
        async with (
            Outlet(sink, tmp_path / "sink", notes, "en", hands, attempts, patience_s) as one,
            anyio.create_task_group() as tasks,
        ):
            if running:
                tasks.start_soon(one.run)
            yield one
            tasks.cancel_scope.cancel()

    return opened


async def test_what_is_offered_arrives_in_its_order(outlet):
    sink = made(most_events=100)
    async with outlet(sink) as one:
        for first in range(0, 1_000, 50):
            await one.offer(events(first, 50), {"seq": str(first + 50)})
        await until(lambda: len(sink.got) == 1_000)
        await until(lambda: one.status()["queue"]["events"] == 0)
        status = one.status()
    assert sink.got == ids(0, 1_000)
    assert (status["sent"], status["state"], status["detail"], status["dropped"]) == (1_000, "ok", "", {})
    assert all(len(batch) <= 100 for _, batch in sink._received)


async def test_an_event_comes_out_as_it_went_in(outlet, monkeypatch):
    seen = []

    async def send(self: Obedient, batch: Any, batch_id: str) -> list[Refusal]:
        seen.append(batch.table)
        return []

    monkeypatch.setattr(Obedient, "send", send)
    batch = events(0, 3)
    async with outlet(made()) as one:
        await one.offer(batch, {})
        await until(lambda: seen)
    assert seen[0].equals(batch.table)


async def test_what_is_offered_is_durable_and_so_are_its_positions(outlet):
    sink = made()
    async with outlet(sink, running=False) as one:
        await one.offer(events(0, 5), {"seq": "5"})
        await one.offer(events(0, 0), {"seq": "9"})
        assert one.checkpoint() == {"seq": "9"}
    async with outlet(sink) as one:
        assert one.checkpoint() == {"seq": "9"}
        await until(lambda: sink.got == ids(0, 5))


async def test_small_batches_wait_for_each_other_and_no_longer_than_told(outlet, hands):
    hands.jumping = False
    sink = made(flush_interval="3s", most_events=10)
    async with outlet(sink) as one:
        await one.offer(events(0, 1), {})
        await until(lambda: hands._alarms)
        hands.move(2)
        await one.offer(events(1, 1), {})
        await until(lambda: len(hands.waits) >= 2)
        assert sink.got == []
        hands.move(1)
        await until(lambda: sink._received)
        assert sink._received[0][1] == ids(0, 2)
        await one.offer(events(2, 10), {})  # enough: nobody waits
        await until(lambda: sink.got == ids(0, 12))
        assert hands.time == 3


async def test_what_was_there_before_the_start_is_sent_at_once(outlet, hands):
    sink = made(flush_interval="1h")
    async with outlet(sink, running=False) as one:
        await one.offer(events(0, 1), {})
    hands.jumping = False
    async with outlet(sink):
        await until(lambda: sink.got)


async def test_flush_sends_what_waits_and_then_returns(outlet, hands):
    hands.jumping = False
    sink = made(flush_interval="1h")
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await one.flush(30)
        assert sink.got == ids(0, 3)


async def test_flush_gives_up_when_the_sink_does_not_work(outlet, hands):
    sink = made()
    sink._always.append(DOWN)
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: sink._tried)
        await until(lambda: one.status()["attempt"])
        await one.flush(1_000_000)
        assert one.status()["queue"]["events"] + one.status()["dead_letters"] == 3


async def test_a_batch_is_tried_again_under_the_same_id_with_growing_pauses(outlet, hands, notes):
    sink = made(retry={"first": "1s", "longest": "10s", "max": 8})
    sink._orders.extend([DOWN] * 6)
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: sink.got)
        await until(lambda: one.status()["state"] == "ok")
        assert one.status()["retries"] == 6
    assert len(set(sink._tried)) == 1
    assert hands.waits[1:7] == [1, 2, 4, 8, 10, 10]
    assert sink._connections == ["opened", "closed"] * 7
    assert notes.names() == ["sink_failed", "sink_recovered"]
    assert sink.got == ids(0, 3)


async def test_a_peer_that_asks_for_time_gets_it(outlet, hands):
    sink = made(retry={"first": "1s"})
    sink._orders.append(SinkError("shipping.no_answer", seconds=1, after_s=77.0))
    async with outlet(sink) as one:
        await one.offer(events(0, 1), {})
        await until(lambda: sink.got)
    assert 77.0 in hands.waits


async def test_the_status_says_what_is_wrong_and_when_it_is_tried_again(outlet, hands):
    hands.jumping = False
    sink = made(flush_interval="1s", retry={"first": "8s"})
    sink._orders.append(DOWN)
    async with outlet(sink) as one:
        await one.offer(events(0, 2), {})
        await until(lambda: hands._alarms)
        hands.move(1)
        await until(lambda: one.status()["next_try_at"])
        status = one.status()
        assert (status["state"], status["attempt"], status["queue"]["events"]) == ("retrying", 1, 2)
        assert "No answer" in status["detail"]
        assert status["next_try_at"] == T0 + timedelta(seconds=9)
        hands.move(8)
        await until(lambda: sink.got)


async def test_a_batch_that_is_never_taken_becomes_dead_letters_and_the_next_is_tried_carefully(
    outlet, hands, notes, tmp_path
):
    sink = made(most_events=2, retry={"max": 3, "first": "1s", "longest": "60s"})
    sink._orders.extend([DOWN] * 4)
    async with outlet(sink, running=False) as one:
        await one.offer(events(0, 2), {})
        await one.offer(events(2, 2), {})
    async with outlet(sink) as one:
        await until(lambda: sink.got == ids(2, 2))
        await until(lambda: one.status()["state"] == "ok")
        assert one.status()["dead_letters"] == 2
    assert hands.waits[-4:] == [1, 2, 4, 8]
    assert notes.names() == ["sink_failed", "dead_lettered", "sink_failed", "sink_recovered"]
    (file,) = (tmp_path / "sink" / "dead-letter").glob("*.ndjson")
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert [letter["event"]["id"] for letter in letters] == ids(0, 2)
    assert "No answer" in letters[0]["reason"]
    assert letters[0]["sink"] == "obedient"


async def test_while_broken_the_other_side_is_asked_at_the_longest_pause(outlet, hands):
    sink = made(most_events=1, retry={"max": 1, "first": "1s", "longest": "60s"})
    sink._orders.extend([DOWN] * 4)
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: sink.got)
        assert one.status()["dead_letters"] == 2
    assert [wait for wait in hands.waits if wait >= 1][-4:] == [1, 2, 60, 60]


async def test_an_outage_of_ten_minutes_loses_nothing_and_lays_nothing_aside(outlet, hands):
    sink = made(most_events=20)
    sink._always.append(lambda: DOWN if hands.time < 600 else None)
    async with outlet(sink) as one:
        for first in range(0, 1_000, 10):
            await one.offer(events(first, 10), {"seq": str(first + 10)})
        await until(lambda: len(sink.got) >= 1_000)
        await until(lambda: one.status()["queue"]["events"] == 0)
        status = one.status()
    assert sink.got == ids(0, 1_000)
    assert (status["dead_letters"], status["dropped"], status["refused"]) == (0, {}, 0)
    assert hands.time >= 600


async def test_a_refused_event_becomes_a_dead_letter_and_the_others_have_arrived(outlet, notes):
    sink = made()
    sink._orders.append([Refusal(1, "mapping: no number"), Refusal(3, "mapping: no number"), Refusal(99, "nobody")])
    async with outlet(sink) as one:
        await one.offer(events(0, 5), {})
        await until(lambda: one.status()["sent"])
        status = one.status()
        assert (status["sent"], status["refused"], status["dead_letters"], status["state"]) == (3, 2, 2, "ok")
        assert await one.retry_dead_letters() == 2
        await until(lambda: len(sink.got) == 7)
        assert one.status()["dead_letters"] == 0
    assert sink.got[5:] == ["e1", "e3"]
    assert notes.names() == ["dead_lettered"]
    assert notes.entries[0][2]["count"] == 2


async def test_refusals_of_nobody_in_particular_are_counted(outlet):
    sink = made()
    sink._orders.append([Refusal(None, "said the collector")] * 2)
    async with outlet(sink) as one:
        await one.offer(events(0, 5), {})
        await until(lambda: one.status()["sent"])
        status = one.status()
    assert (status["sent"], status["refused"], status["dropped"]) == (3, 2, {"refused": 2})


async def test_a_batch_that_is_refused_whole_becomes_dead_letters_at_once(outlet):
    sink = made()
    sink._orders.append(SinkRefused("shipping.no_answer", seconds=1))
    async with outlet(sink) as one:
        await one.offer(events(0, 5), {})
        await until(lambda: one.status()["dead_letters"] == 5)
        await one.offer(events(5, 1), {})
        await until(lambda: sink.got == ["e5"])
    assert sink._connections.count("opened") == 1


async def test_a_mistake_in_a_sink_is_an_error_like_any_other(outlet):
    sink = made()
    sink._orders.extend([ValueError("what is this?"), ExceptionGroup("tasks", [KeyError("that")])])
    async with outlet(sink) as one:
        await one.offer(events(0, 1), {})
        await until(lambda: sink.got)
        assert one.status()["retries"] == 2


async def test_a_connection_that_hangs_is_cut(outlet, notes):
    sink = made()
    sink._orders.append("hang")
    async with outlet(sink, patience_s=1.0) as one:
        await one.offer(events(0, 1), {})
        await until(lambda: sink.got)
    assert len(sink._tried) >= 2
    assert sink._connections[:2] == ["opened", "closed"]
    assert "No answer" in notes.entries[0][1]


async def test_after_a_stop_in_the_middle_the_same_batch_comes_again(outlet):
    sink = made()
    sink._orders.append("hang")
    async with outlet(sink) as one:
        await one.offer(events(0, 3), {})
        await until(lambda: sink._tried)
    async with outlet(sink, running=False) as one:
        await one.offer(events(3, 3), {})
    async with outlet(sink):
        await until(lambda: len(sink.got) == 6)
    assert sink._tried[0] == sink._tried[1]
    assert [batch for _, batch in sink._received] == [ids(0, 3), ids(3, 3)]


SMALL = {"chunk": "8KB", "chunks": 2}
WIDE = {"message": "x" * 20_000}


def wide(first: int) -> Any:
    import random

    return events(first, 1, message=random.Random(first).randbytes(1_500).hex())


async def test_block_waits_until_there_is_room_and_loses_nothing(outlet, hands):
    hands.jumping = False
    sink = made(buffer={**SMALL, "when_full": "block"}, most_events=1)
    sink._orders.append("hang")
    async with outlet(sink, running=False) as one, anyio.create_task_group() as tasks:

        async def offer_all() -> None:
            for number in range(30):
                await one.offer(wide(number), {"seq": str(number)})

        tasks.start_soon(offer_all)
        await until(lambda: not one.room)
        status = one.status()
        assert status["state"] == "blocked"
        assert status["queue"]["share"] <= 1
        assert int(one.checkpoint()["seq"]) == status["queue"]["events"] - 1 < 29
        sink._orders.clear()
        hands.jumping = True
        running = anyio.CancelScope()

        async def run() -> None:
            with running:
                await one.run()

        tasks.start_soon(run)
        await until(lambda: len(sink.got) == 30)
        await until(lambda: one.room)
        running.cancel()
    assert sink.got == ids(0, 30)


@pytest.mark.parametrize(("policy", "why"), [("drop_oldest", "oldest"), ("drop_newest", "queue_full")])
async def test_what_is_dropped_is_counted_and_told(outlet, notes, policy, why):
    sink = made(buffer={**SMALL, "when_full": policy})
    async with outlet(sink, running=False) as one:
        for number in range(30):
            await one.offer(wide(number), {"seq": str(number)})
        status = one.status()
        assert one.checkpoint() == {"seq": "29"}
        assert status["dropped"][why] + status["queue"]["events"] == 30
        assert set(status["dropped"]) == {why}
        waiting = status["queue"]["events"]
    async with outlet(sink):
        await until(lambda: len(sink.got) == waiting)
    assert sink.got == (ids(0, waiting) if policy == "drop_newest" else ids(30 - waiting, waiting))
    told = [entry for entry in notes.entries if entry[0] == "events_dropped"]
    assert sum(entry[2]["count"] for entry in told) == 30 - waiting
    assert len(told) == 2  # once at the beginning, and the rest of it at the end


async def test_when_full_only_what_matters_gets_in(outlet):
    sink = made(buffer={**SMALL, "when_full": "spill_level", "spill_level": "ERROR"})
    async with outlet(sink, running=False) as one:
        for number in range(1, 10):
            await one.offer(wide(number), {"seq": str(number)})
        before = one.status()
        await one.offer(wide(10), {"seq": "10"})  # an ERROR
        status = one.status()
    assert before["dropped"]["below_level"] > 0
    assert "oldest" not in before["dropped"]
    assert status["dropped"]["oldest"] > 0
    async with outlet(sink):
        await until(lambda: "e10" in sink.got)


async def test_an_offer_larger_than_the_queue_goes_in_by_pieces(outlet):
    sink = made(buffer={**SMALL, "when_full": "block"}, most_events=2)
    import pyarrow as pa

    from safelight.batch import Batch

    batch = Batch(pa.concat_tables([wide(number).table for number in range(20)]))
    async with outlet(sink) as one:
        await one.offer(batch, {"seq": "20"})
        assert one.checkpoint() == {"seq": "20"}
        await until(lambda: len(sink.got) == 20)
    assert sink.got == ids(0, 20)


async def test_an_event_larger_than_the_queue_is_dropped_and_blocks_nobody(outlet):
    import random

    sink = made(buffer={**SMALL, "when_full": "block"})
    async with outlet(sink) as one:
        await one.offer(events(0, 1, message=random.Random(1).randbytes(20_000).hex()), {"seq": "1"})
        await one.offer(events(1, 1), {"seq": "2"})
        await until(lambda: sink.got == ["e1"])
        assert one.status()["dropped"] == {"too_large": 1}


async def test_without_room_on_the_disk_the_offer_fails_and_nothing_moves(outlet, monkeypatch):
    async with outlet(made(), running=False) as one:
        await one.offer(events(0, 1), {"seq": "1"})

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("safelight.disk.write_all", full)
            with pytest.raises(StoreFull):
                await one.offer(events(1, 1), {"seq": "2"})
        assert one.checkpoint() == {"seq": "1"}
        await one.offer(events(1, 1), {"seq": "2"})
        assert one.status()["queue"]["events"] == 2


async def test_dead_letters_that_cannot_be_written_are_not_lost(outlet, monkeypatch):
    sink = made()
    sink._orders.append([Refusal(0, "no")])
    failures = []

    def full(*arguments: Any) -> int:
        if len(failures) < 3:
            failures.append(1)
            raise OSError(28, "No space left on device")
        return write(*arguments)

    async with outlet(sink) as one:
        write = one._stock.letters.write
        monkeypatch.setattr(one._stock.letters, "write", full)
        await one.offer(events(0, 2), {})
        await until(lambda: one.status()["dead_letters"] == 1)
        await until(lambda: one.status()["sent"] == 1)
    assert len(failures) == 3
    assert len(sink.got) == 2  # it was not sent again for that


async def test_a_second_owner_of_the_queue_is_refused(outlet):
    async with outlet(made(), running=False):
        with pytest.raises(StoreLocked):
            async with outlet(made(), running=False):
                pass


async def test_a_relative_secondary_is_in_the_directory_of_the_sink(outlet, tmp_path):
    sink = made(retry={"secondary": "given-up"})
    sink._orders.append([Refusal(0, "no")])
    async with outlet(sink) as one:
        await one.offer(events(0, 1), {})
        await until(lambda: one.status()["dead_letters"])
    assert list((tmp_path / "sink" / "given-up").glob("*.ndjson"))


async def test_a_queue_that_holds_no_events_is_passed_by(outlet, notes):
    from safelight.buffer import Frame

    sink = made()
    async with outlet(sink) as one:
        one._stock.queue.append([Frame(b"nonsense", 4, {"unpacked": "10"})], {})
        await one.offer(events(0, 1), {})
        await until(lambda: one.status()["dropped"])
        await one.offer(events(1, 1), {})
        await until(lambda: "e1" in sink.got)
    assert "buffer_damaged" in notes.names()
