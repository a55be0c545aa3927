"""The time as shipping needs it: to be waited for, and replaced in tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

import anyio


class Clock(Protocol):
    """What time it is, and waiting for it."""

    def monotonic(self) -> float:
        """Seconds since some moment; only goes forward."""
        ...

    def now(self) -> datetime:
        """The time of day, UTC."""
        ...

    async def wait(self, event: anyio.Event, seconds: float) -> None:
        """Until the event is set, at most so long."""
        ...


class SystemClock:
    """This machine's."""

    def monotonic(self) -> float:
        """Seconds since some moment; only goes forward."""
        return time.monotonic()

    def now(self) -> datetime:
        """The time of day, UTC."""
        return datetime.now(UTC)

    async def wait(self, event: anyio.Event, seconds: float) -> None:
        """Until the event is set, at most so long."""
        with anyio.move_on_after(seconds):
            await event.wait()
