"""Many senders, one source: nobody is told that something is durable which is not, and nobody waits for ever."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import anyio.lowlevel
import pytest

from safelight.batch import Batch
from safelight.sources import inbox as inbox_module
from safelight.sources.inbox import MOST_BYTES, TOGETHER_BYTES, Busy, Inbox, NotDurable

pytestmark = pytest.mark.anyio


def batch(*lines):
    return Batch.of({"id": line, "raw": line} for line in lines)


class Sender:
    """One that sends a batch and remembers what came of it."""

    def __init__(self, inbox, tasks, *lines, size=100):
        self.inbox, self.lines, self.size = inbox, lines, size
        self.answer = None
        self.done = anyio.Event()
        self.scope = anyio.CancelScope()
        tasks.start_soon(self._send)

    async def _send(self):
        with self.scope:
            try:
                await self.inbox.put(batch(*self.lines), self.size)
                self.answer = "durable"
            except Busy as error:
                self.answer = type(error)
        self.done.set()

    async def waits(self):
        """Until it is in the inbox."""
        await until(lambda: self.answer is not None or self.inbox.waiting_bytes > 0)

    async def answered(self):
        with anyio.fail_after(30):
            await self.done.wait()
        return self.answer


async def until(true):
    with anyio.fail_after(30):
        while not true():
            await anyio.lowlevel.checkpoint()


async def next_lines(arrivals):
    with anyio.fail_after(30):
        return (await anext(arrivals)).batch["raw"].to_pylist()


@pytest.fixture
def inbox():
    return Inbox()


async def test_a_sender_is_answered_once_the_source_asks_for_the_next(inbox):
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        sender = Sender(inbox, tasks, "a", "b")
        assert await next_lines(arrivals) == ["a", "b"]
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        assert sender.answer is None
        assert inbox.waiting_bytes == 100
        second = Sender(inbox, tasks, "c")
        assert await next_lines(arrivals) == ["c"]
        assert await sender.answered() == "durable"
        assert second.answer is None
        tasks.cancel_scope.cancel()


async def test_what_many_gave_meanwhile_is_one_batch_in_its_order(inbox):
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        senders = [Sender(inbox, tasks, f"{n}-1", f"{n}-2") for n in range(5)]
        await until(lambda: inbox.waiting_bytes == 500)
        assert await next_lines(arrivals) == [f"{n}-{m}" for n in range(5) for m in (1, 2)]
        Sender(inbox, tasks, "next")
        assert await next_lines(arrivals) == ["next"]
        assert [await sender.answered() for sender in senders] == ["durable"] * 5
        tasks.cancel_scope.cancel()


async def test_a_batch_of_many_stays_within_its_size_and_a_larger_one_goes_alone(inbox):
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        for name, size in {"a": 1, "b": TOGETHER_BYTES - 1, "c": TOGETHER_BYTES + 1, "d": 1}.items():
            Sender(inbox, tasks, name, size=size)
        await until(lambda: inbox.waiting_bytes == 2 * TOGETHER_BYTES + 2)
        assert [await next_lines(arrivals) for _ in range(3)] == [["a", "b"], ["c"], ["d"]]
        tasks.cancel_scope.cancel()


async def test_what_was_sent_before_anybody_collects_waits(inbox):
    async with anyio.create_task_group() as tasks:
        sender = Sender(inbox, tasks, "early")
        await sender.waits()
        async with aclosing(inbox.arrivals()) as arrivals:
            assert await next_lines(arrivals) == ["early"]
            Sender(inbox, tasks, "late")
            assert await next_lines(arrivals) == ["late"]
            assert await sender.answered() == "durable"
        tasks.cancel_scope.cancel()


async def test_a_sender_that_gives_up_takes_back_what_nobody_took(inbox):
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        gone = Sender(inbox, tasks, "gone")
        await gone.waits()
        gone.scope.cancel()
        assert await gone.answered() is None
        assert inbox.waiting_bytes == 0
        Sender(inbox, tasks, "stays")
        assert await next_lines(arrivals) == ["stays"]
        tasks.cancel_scope.cancel()


async def test_what_was_handed_on_is_not_taken_back_and_counts_until_it_is_durable(inbox):
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        gone = Sender(inbox, tasks, "gone")
        assert await next_lines(arrivals) == ["gone"]
        gone.scope.cancel()
        await gone.answered()
        assert inbox.waiting_bytes == 100
        Sender(inbox, tasks, "next")
        assert await next_lines(arrivals) == ["next"]
        assert inbox.waiting_bytes == 100
        tasks.cancel_scope.cancel()


async def test_a_sender_loses_patience_with_a_store_that_refuses(inbox, monkeypatch):
    monkeypatch.setattr(inbox_module, "PATIENCE_S", 0.01)
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        handed_on = Sender(inbox, tasks, "handed on")
        assert await next_lines(arrivals) == ["handed on"]
        waiting = Sender(inbox, tasks, "waiting")
        assert await handed_on.answered() is NotDurable
        assert await waiting.answered() is NotDurable
        assert inbox.waiting_bytes == 100, "what waited is taken back, what was handed on is not"


async def test_a_full_inbox_sends_away_at_once(inbox):
    async with anyio.create_task_group() as tasks:
        first = Sender(inbox, tasks, "first", size=MOST_BYTES)
        await first.waits()
        with pytest.raises(Busy) as refused:
            await inbox.put(batch("second"), 1)
        assert type(refused.value) is Busy
        assert refused.value.after_s > 0
        assert inbox.waiting_bytes == MOST_BYTES
        tasks.cancel_scope.cancel()


async def test_a_single_batch_may_be_larger_than_all_that_may_wait(inbox):
    async with anyio.create_task_group() as tasks, aclosing(inbox.arrivals()) as arrivals:
        Sender(inbox, tasks, "huge", size=2 * MOST_BYTES)
        assert await next_lines(arrivals) == ["huge"]
        tasks.cancel_scope.cancel()


async def test_closing_sends_away_who_waits_and_who_comes(inbox):
    async with anyio.create_task_group() as tasks:
        async with aclosing(inbox.arrivals()) as arrivals:
            taken = Sender(inbox, tasks, "taken")
            assert await next_lines(arrivals) == ["taken"]
            waiting = Sender(inbox, tasks, "waiting")
            await until(lambda: inbox.waiting_bytes == 200)
        assert await taken.answered() is NotDurable
        assert await waiting.answered() is NotDurable
        assert inbox.waiting_bytes == 0
        with pytest.raises(NotDurable):
            await inbox.put(batch("late"), 1)


async def test_a_source_that_starts_again_collects_again(inbox):
    async with anyio.create_task_group() as tasks:
        async with aclosing(inbox.arrivals()) as arrivals:
            failed = Sender(inbox, tasks, "failed")
            await next_lines(arrivals)
        assert await failed.answered() is NotDurable
        async with aclosing(inbox.arrivals()) as arrivals:
            collecting = anyio.Event()
            async with anyio.create_task_group() as inner:

                async def collect():
                    collecting.set()
                    assert await next_lines(arrivals) == ["again"]

                inner.start_soon(collect)
                await collecting.wait()
                await until(lambda: not inbox._closed)
                Sender(inbox, tasks, "again")
        tasks.cancel_scope.cancel()


async def test_closing_from_outside_ends_the_arrivals(inbox):
    async with anyio.create_task_group() as tasks:
        ended = anyio.Event()

        async def collect():
            async for _ in inbox.arrivals():
                pass
            ended.set()

        tasks.start_soon(collect)
        assert await Sender(inbox, tasks, "one").answered() == "durable"
        inbox.close()
        with anyio.fail_after(30):
            await ended.wait()


async def test_a_batch_of_nothing_waits_for_nobody(inbox):
    with anyio.fail_after(30):
        await inbox.put(batch(), 0)
