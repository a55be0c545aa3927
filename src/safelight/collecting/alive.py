"""Parts of the server that must go on: one that falls over says so and is started again; the others do not notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from traceback import format_exception
from typing import Any, Final

import anyio

from ..errors import SafelightError
from ..event import Name
from ..locales import text
from .journal import Journal

RETRY_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long to wait before a part is started again."""
WELL_AFTER_S: Final = 60.0
"""A part that ran for so long was well: the next wait is the shortest again."""


def wait_s(attempt: int) -> float:
    """Before the attempt after this many failed ones."""
    return RETRY_S[min(attempt, len(RETRY_S) - 1)]


def described(error: Exception, language: str) -> dict[str, Any]:
    """An exception as the columns of an event."""
    kind = type(error).__name__
    said = error.render(language) if isinstance(error, SafelightError) else f"{kind}: {error}"
    return {"error_type": kind, "error_message": said, "traceback": "".join(format_exception(error))}


async def keep_alive(what: str, work: Callable[[], Awaitable[None]], journal: Journal, language: str) -> None:
    """Run `work` until it returns or is cancelled."""
    attempt = 0
    while True:
        began = anyio.current_time()
        try:
            await work()
            return
        except Exception as error:  # noqa: BLE001 - a task root: whatever it is, the other parts go on
            fault = described(error, language)
            said = text("app.task_failed", language, what=what, reason=fault["error_message"])
            journal.note(Name.TASK_FAILED, said, "CRITICAL", **fault)
        attempt = 0 if anyio.current_time() - began > WELL_AFTER_S else attempt
        await anyio.sleep(wait_s(attempt))
        attempt += 1
