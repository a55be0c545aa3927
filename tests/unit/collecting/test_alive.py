"""A part that falls over is told of and started again; the others do not notice."""

from __future__ import annotations

import anyio
import pytest

from safelight.collecting import alive


class Journal:
    def __init__(self):
        self.notes = []

    def note(self, event, /, message="", level="INFO", **columns):
        self.notes.append((str(event), message, level, columns))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(alive, "RETRY_S", (0.0,))


@pytest.mark.anyio
async def test_a_part_that_raises_is_told_of_and_started_again():
    journal, attempts = Journal(), []

    async def falls_twice():
        attempts.append(len(attempts))
        if len(attempts) < 3:
            raise ZeroDivisionError("by nothing")

    with anyio.fail_after(30):
        await alive.keep_alive("upkeep", falls_twice, journal, "en")
    assert len(attempts) == 3
    assert [(event, level) for event, _, level, _ in journal.notes] == [("task_failed", "CRITICAL")] * 2
    assert "upkeep" in journal.notes[0][1]
    assert "falls_twice" in journal.notes[0][3]["traceback"]


@pytest.mark.anyio
async def test_a_part_that_raises_does_not_stop_the_others():
    journal, went_on = Journal(), anyio.Event()

    async def falls():
        raise OSError(28, "No space left on device")

    async def goes_on():
        await anyio.sleep(0.05)
        went_on.set()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(alive.keep_alive, "store", falls, journal, "en")
            tasks.start_soon(alive.keep_alive, "page", goes_on, journal, "en")
            await went_on.wait()
            tasks.cancel_scope.cancel()
    assert journal.notes


def test_it_waits_longer_each_time_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(alive, "RETRY_S", (1.0, 5.0))
    assert [alive.wait_s(attempt) for attempt in range(4)] == [1.0, 5.0, 5.0, 5.0]
