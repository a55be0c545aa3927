"""Between many who send to us at once and the source, which hands on what they sent one batch after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Final

import anyio
import pyarrow as pa

from ..batch import Batch
from ..errors import SafelightError
from . import Arrival

MOST_BYTES: Final = 64 * 1024 * 1024
"""What may wait: a sender beyond it is told to come again."""
TOGETHER_BYTES: Final = 4 * 1024 * 1024
"""What many senders gave becomes one batch, up to this size: they share its cost and its fsync."""
PATIENCE_S: Final = 25.0
"""How long a sender waits until what it sent is durable, before it is told to come again. Below the 30 s after which
most clients give up by themselves."""


class Busy(SafelightError):
    """Not taken, and not kept: the sender should try again after `after_s` seconds."""

    after_s: Final = 5.0


@dataclass
class _Parcel:
    batch: Batch
    size: int
    durable: anyio.Event = field(default_factory=anyio.Event)
    given_up: bool = False


class Inbox:
    """Batches that wait to become durable. Lives on the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[_Parcel] = deque()
        self._bytes = 0
        self._news = anyio.Event()

    @property
    def waiting_bytes(self) -> int:
        """What is taken in and not yet durable."""
        return self._bytes

    async def put(self, batch: Batch, size: int) -> None:
        """Return when the batch is durable; `size` is what it takes in memory, in bytes. Raises Busy."""
        if self._bytes + size > MOST_BYTES and self._waiting:
            raise Busy("sources.busy")
        parcel = _Parcel(batch, size)
        self._waiting.append(parcel)
        self._bytes += size
        self._news.set()
        try:
            with anyio.fail_after(PATIENCE_S):
                await parcel.durable.wait()
        except TimeoutError as error:
            raise Busy("sources.busy") from error
        finally:
            parcel.given_up = True

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """What was put in, several parcels as one batch. Asking for the next means that the one before is durable."""
        while True:
            await self._news.wait()
            parcels = self._together()
            if not parcels:
                self._news = anyio.Event()
                continue
            yield Arrival(Batch(pa.concat_tables([parcel.batch.table for parcel in parcels])), {})
            for parcel in parcels:
                parcel.durable.set()
                self._bytes -= parcel.size

    def _together(self) -> list[_Parcel]:
        """The next ones. What its sender gave up is left out: it sends it again."""
        parcels: list[_Parcel] = []
        size = 0
        while self._waiting and (not parcels or size + self._waiting[0].size <= TOGETHER_BYTES):
            parcel = self._waiting.popleft()
            if parcel.given_up:
                self._bytes -= parcel.size
                continue
            parcels.append(parcel)
            size += parcel.size
        return parcels
