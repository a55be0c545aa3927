"""Waiting for what is committed, and for being stirred."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest

from safelight.app.commits import Commits

WAIT_S = 30


@pytest.mark.anyio
async def test_who_waits_for_news_is_woken_by_a_commit_and_by_whoever_stirs():
    commits = Commits(5)
    with anyio.fail_after(WAIT_S):
        await commits.news(4)  # there are some already
        for wake in (lambda: commits.announce(6), lambda: None):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(commits.news, commits.last_seq)
                await anyio.wait_all_tasks_blocked()
                wake()
                await anyio.to_thread.run_sync(commits.stir)
    assert commits.last_seq == 6


@pytest.mark.anyio
async def test_who_waits_for_events_is_not_content_with_less():
    commits, came = Commits(5), []

    async def wait():
        came.append(await commits.after(5))

    with anyio.fail_after(WAIT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await commits.news(4)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(commits.stir)
            await anyio.wait_all_tasks_blocked()
            assert came == []
            commits.announce(6)
    assert came == [6]
