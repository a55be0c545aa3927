"""An agent writes down how it is doing, for its owner to read."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from safelight.agent import telling
from safelight.agent.telling import FILE, tell, told


@pytest.mark.anyio
async def test_it_is_written_again_and_again_and_is_nobody_elses_business(tmp_path, monkeypatch):
    monkeypatch.setattr(telling, "EVERY_S", 0.0)
    numbers = iter(range(1_000_000))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell, tmp_path, lambda: {"number": next(numbers)})
        with anyio.fail_after(30):
            while (told(tmp_path) or {"number": 0})["number"] < 3:
                await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_what_is_not_there_or_makes_no_sense_says_nothing(tmp_path):
    assert told(tmp_path) is None
    (tmp_path / FILE).write_text("{")
    assert told(tmp_path) is None
