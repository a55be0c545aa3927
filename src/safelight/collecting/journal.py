"""What we do ourselves is an event (laws, 7): in the same store, found by the same query."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter, deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import anyio
import msgspec

from ..batch import Batch, Process
from ..errors import StoreError
from ..event import OURSELVES, Name
from ..identifier import uuid7
from ..locales import text
from ..processors.redact import redact_text
from . import Destination

WAITING: Final = 10_000
"""Notes kept while the store cannot take them; the oldest go first and are counted."""
RETRY_S: Final = 5.0

log = logging.getLogger("safelight")


class Journal:
    """Collects notes from any thread and commits them, together, soon."""

    def __init__(self, process: Process, language: str) -> None:
        self._process = process
        self._language = language
        self._notes: deque[dict[str, Any]] = deque(maxlen=WAITING)
        self._lost = 0
        self.counts: Counter[str] = Counter()
        """Notes since the start, by event."""
        self._wake = anyio.Event()
        self._flushing = anyio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._host = socket.gethostname()

    def note(
        self,
        event: str,
        /,
        message: str = "",
        level: str = "INFO",
        attributes: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        """Write down what we did. `columns` are those of an event."""
        log.log(logging.getLevelNamesMapping()[level], redact_text(message, paths=False, addresses=False))
        self.counts[event] += 1
        if len(self._notes) == WAITING:
            self._lost += 1
        self._notes.append(self._row(event, message, level, attributes, **columns))
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended: the last notes were taken before
                self._loop.call_soon_threadsafe(self._stir)

    async def run(self, destination: Destination) -> None:
        """Commit notes as they come."""
        self._loop = asyncio.get_running_loop()
        self._stir()
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            try:
                await self.flush(destination)
            except StoreError:  # the collectors report it; the notes wait
                await anyio.sleep(RETRY_S)
                self._wake.set()

    async def flush(self, destination: Destination) -> None:
        """Commit what waits. Raises StoreError, and keeps the notes."""
        async with self._flushing:
            rows = list(self._notes)
            if not rows:
                return
            lost = self._lost
            await destination.take(Batch.of([*rows, *self._confession(lost)]), self._process)
            self._lost -= lost
            done = {row["id"] for row in rows}
            while self._notes and self._notes[0]["id"] in done:  # threads may add meanwhile; only we take away
                self._notes.popleft()

    def _confession(self, lost: int) -> list[dict[str, Any]]:
        if not lost:
            return []
        said = text("journal.lost", self._language, count=lost)
        return [self._row(Name.EVENTS_DROPPED, said, "WARNING", {"count": lost, "reason": "store_refused"})]

    def _row(
        self, event: str, message: str, level: str, attributes: Mapping[str, Any] | None, **columns: Any
    ) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "id": uuid7(),
            "timestamp": now,
            "received_at": now,
            "level": level,
            "event": event,
            "message": _clean(message),
            "service": OURSELVES,
            "host": self._host,
            "attributes": msgspec.json.encode(_clean(attributes), enc_hook=str).decode() if attributes else None,
            **_clean(columns),
        }

    def _stir(self) -> None:
        self._wake.set()


def _clean(value: Any) -> Any:
    """Text that can be stored: names of files need not be UTF-8, and Python keeps their bytes as surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {key: _clean(inner) for key, inner in value.items()}
    return value
