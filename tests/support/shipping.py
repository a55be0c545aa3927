"""A clock by hand, a sink that does as it is told, and a notebook."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import isinf
from typing import Any, Literal

import anyio
import anyio.lowlevel
from pydantic import PrivateAttr

from safelight.batch import Batch
from safelight.shipping.question import QUESTION
from safelight.sinks import Refusal, Sink

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Hands:
    """A clock whose hands somebody moves; `jumping`, they move by themselves to where somebody waits for."""

    def __init__(self, *, jumping: bool = True) -> None:
        self.time = 0.0
        self.jumping = jumping
        self.waits: list[float] = []
        self._alarms: list[tuple[float, anyio.Event]] = []

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.time)

    async def wait(self, event: anyio.Event, seconds: float) -> None:
        if not isinf(seconds):
            self.waits.append(seconds)
        if self.jumping and not isinf(seconds):
            await anyio.lowlevel.checkpoint()
            self.time += 0 if event.is_set() else seconds
            return
        alarm = (self.time + seconds, anyio.Event())
        self._alarms.append(alarm)
        try:
            async with anyio.create_task_group() as waiting:
                for one in (event, alarm[1]):
                    waiting.start_soon(_until, one, waiting.cancel_scope)
        finally:
            self._alarms.remove(alarm)

    def move(self, seconds: float) -> None:
        self.time += seconds
        for due, alarm in self._alarms:
            if due <= self.time:
                alarm.set()


async def _until(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def until(true: Callable[[], Any]) -> None:
    """Wait for something that no event tells of."""
    with anyio.fail_after(30):
        while not true():  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.002)


class Obedient(Sink):
    """Keeps what it is sent. `orders`: what happens to each sending, in turn: an exception is raised, refusals are
    given, None takes it; afterwards everything is taken. `always` is done when no orders are left."""

    type: Literal["obedient"] = "obedient"
    _orders: list[Any] = PrivateAttr(default_factory=list)
    _always: list[Any] = PrivateAttr(default_factory=list)
    _received: list[tuple[str, list[str]]] = PrivateAttr(default_factory=list)
    _tried: list[str] = PrivateAttr(default_factory=list)
    _connections: list[str] = PrivateAttr(default_factory=list)

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Obedient, None]:
        self._connections.append("opened")
        try:
            yield self
        finally:
            self._connections.append("closed")

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        self._tried.append(batch_id)
        order = self._orders.pop(0) if self._orders else self._always[0] if self._always else None
        if callable(order):
            order = order()
        if isinstance(order, Exception):
            raise order
        if order == "hang":
            await anyio.sleep_forever()
        self._received.append((batch_id, batch["id"].to_pylist()))
        return order or []

    @property
    def got(self) -> list[str]:
        """The ids of all events that it took, repetitions included; not what only asks whether it takes any."""
        return [one for _, ids in self._received for one in ids if not one.startswith(QUESTION)]


class Notebook:
    """What is told to the journal."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(
        self, event: str, /, message: str = "", level: str = "INFO", attributes: Any = None, **columns: Any
    ) -> None:
        self.entries.append((str(event), message, dict(attributes or {}) | {"level": level}))

    def names(self) -> list[str]:
        return [event for event, _, _ in self.entries]


def events(first: int, count: int = 1, **columns: Any) -> Batch:
    return Batch.of(
        {
            "id": f"e{number}",
            "timestamp": T0 + timedelta(seconds=number),
            "level": "ERROR" if number % 10 == 0 else "INFO",
            "message": f"第 {number} 步 finished",
            "service": "comfyui",
            "duration_ms": float(number),
            "attributes": f'{{"steps":{number}}}',
        }
        | columns
        for number in range(first, first + count)
    )


def made(**settings: Any) -> Obedient:
    """A sink with these settings."""
    return Obedient.model_validate({"type": "obedient", **settings})
