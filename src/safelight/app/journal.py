"""What we do ourselves is an event (laws, 7): in the same store, found by the same query."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from datetime import UTC, datetime
from typing import Any, Final

import anyio
import msgspec

from ..batch import Batch, Process
from ..errors import StoreError
from ..event import FIELDS, OURSELVES
from ..identifier import uuid7
from .intake import Intake

WAITING: Final = 10_000
"""Notes kept while the store cannot take them; the oldest go first and are counted."""
RETRY_S: Final = 5.0

log = logging.getLogger("safelight")


class Journal:
    """Collects notes from any thread and commits them, together, soon."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._notes: deque[dict[str, Any]] = deque(maxlen=WAITING)
        self._lost = 0
        self._wake = anyio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._host = socket.gethostname()

    def note(self, event: str, message: str, level: str = "INFO", **fields: Any) -> None:
        """Write down what we did. `fields` that are no columns become attributes."""
        log.log(logging.getLevelNamesMapping()[level], message)
        known = {key: value for key, value in fields.items() if key in FIELDS and value is not None}
        others = {key: value for key, value in fields.items() if key not in FIELDS and value is not None}
        if len(self._notes) == WAITING:
            self._lost += 1
        now = datetime.now(UTC)
        self._notes.append(
            {
                "id": uuid7(),
                "timestamp": now,
                "received_at": now,
                "level": level,
                "event": event,
                "message": message,
                "service": OURSELVES,
                "host": self._host,
                "attributes": msgspec.json.encode(others, enc_hook=str).decode() if others else None,
                **known,
            }
        )
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stir)

    async def run(self, intake: Intake) -> None:
        """Commit notes as they come."""
        self._loop = asyncio.get_running_loop()
        self._stir()
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            try:
                await self.flush(intake)
            except StoreError:  # the collectors report it; the notes wait
                await anyio.sleep(RETRY_S)
                self._wake.set()

    async def flush(self, intake: Intake) -> None:
        """Commit what waits. Raises StoreError, and keeps the notes."""
        rows = list(self._notes)
        if not rows:
            return
        if self._lost:
            rows[-1] = {**rows[-1], "attributes": msgspec.json.encode({"notes_lost_before": self._lost}).decode()}
        await intake.take(Batch.of(rows), self._process)
        self._lost = 0
        for _ in rows:
            self._notes.popleft()

    def _stir(self) -> None:
        self._wake.set()
