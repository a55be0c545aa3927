"""The rules are asked on every commit and whenever one of them is due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import anyio
import anyio.to_thread

from ..collecting.journal import Journal
from ..errors import SafelightError
from ..event import Name
from .alerting import Alerting
from .commits import Commits

AGAIN_S: Final = 1.0
"""When the store could not answer the rules."""
STEP_PAUSE_S: Final = 0.05
"""A step costs 10 ms of CPU whatever it judges: at most 20 a second, however many commits there are."""


async def judge(alerting: Alerting, commits: Commits, journal: Journal, language: str) -> None:
    """Step the engine until cancelled; wake delivery when there is something to send."""
    limiter = anyio.CapacityLimiter(1)
    engine = alerting.engine
    told, changes = False, engine.repairs.changes
    while True:
        wait_s = (engine.next_due() - datetime.now(UTC)).total_seconds()
        with anyio.move_on_after(max(0.0, wait_s)):
            await commits.news(engine.evaluated_seq)
        try:
            news = await anyio.to_thread.run_sync(engine.step, commits.last_seq, limiter=limiter)
        except SafelightError as error:
            # Once for as long as it lasts; a store closes only at a stop, and the next start would alert of that.
            if not told and error.key != "store.closed":
                journal.note(Name.RULE_FAILED, error.render(language), "ERROR")
            told = True
            await anyio.sleep(AGAIN_S)
            continue
        told = False
        if news:
            alerting.delivery.wake()
        if engine.repairs.changes != changes:
            changes = engine.repairs.changes
            alerting.remedying.wake()
        await anyio.sleep(STEP_PAUSE_S)
