"""The loop that asks the rules, when the store does not answer them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import anyio
import anyio.from_thread
import pytest

from safelight.app import judging
from safelight.app.commits import Commits
from safelight.errors import StoreError


@pytest.mark.anyio
@pytest.mark.parametrize(("key", "noted"), [("store.closed", 0), ("store.full", 1)], ids=["closed", "full"])
async def test_a_failure_is_told_once_but_that_the_store_closes_at_a_stop_is_none(monkeypatch, key, noted):
    monkeypatch.setattr(judging, "AGAIN_S", 0.0)
    asked, often, notes = [], anyio.Event(), []

    def step(_):
        asked.append(1)
        if len(asked) == 3:
            anyio.from_thread.run_sync(often.set)
        raise StoreError(key)

    due = datetime(2026, 11, 22, tzinfo=UTC)
    engine = SimpleNamespace(repairs=SimpleNamespace(changes=0), evaluated_seq=0, next_due=lambda: due, step=step)
    journal = SimpleNamespace(note=lambda *told: notes.append(told))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(judging.judge, SimpleNamespace(engine=engine), Commits(0), journal, "en")
        with anyio.fail_after(60):
            await often.wait()
        tasks.cancel_scope.cancel()
    assert len(notes) == noted
