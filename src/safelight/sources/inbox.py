"""Between many who send to us at once and the source, which hands on what they sent one batch after the other."""

from __future__ import annotations

import math
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
AGAIN_S: Final = 1.0
"""Before another attempt for a sender that cannot be told to come again."""


class Busy(SafelightError):
    """Not taken, and not kept: the sender should try again after `after_s` seconds."""

    after_s: Final = 5.0


class NotDurable(Busy):
    """Taken, but not known to be durable: the store refuses, or nobody collects. The sender still has it, and should
    send it again; if it was only late, it is there twice."""


@dataclass(eq=False)
class _Parcel:
    batch: Batch
    size: int
    settled: anyio.Event = field(default_factory=anyio.Event)
    durable: bool = False


class Inbox:
    """Batches that wait to become durable. Lives on the event loop; one source collects from it."""

    def __init__(self) -> None:
        self._waiting: deque[_Parcel] = deque()
        self._bytes = 0
        self._news = anyio.Event()
        self._closed = False

    @property
    def waiting_bytes(self) -> int:
        """What is taken in and not yet durable."""
        return self._bytes

    async def put(self, batch: Batch, size: int) -> None:
        """Return when the batch is durable; `size` is what it takes in memory, in bytes. Raises Busy, NotDurable.

        Before the first `arrivals` it waits for them. A sender that is cancelled or loses patience takes back what was
        not handed on yet.
        """
        await self._put(batch, size, PATIENCE_S)

    async def deliver(self, batch: Batch, size: int) -> None:
        """The same for a sender that cannot be told to come again: return when the batch is durable, however long that
        takes. It is handed on once, unless `arrivals` was closed over it."""
        while True:
            try:
                return await self._put(batch, size, math.inf)
            except Busy:
                await anyio.sleep(AGAIN_S)

    async def _put(self, batch: Batch, size: int, patience_s: float) -> None:
        if not len(batch):
            return
        if self._closed:
            raise NotDurable("sources.not_durable")
        if self._bytes + size > MOST_BYTES and self._waiting:
            raise Busy("sources.busy")
        parcel = _Parcel(batch, size)
        self._waiting.append(parcel)
        self._bytes += size
        self._news.set()
        try:
            with anyio.move_on_after(patience_s):
                await parcel.settled.wait()
        finally:
            if parcel in self._waiting:
                self._waiting.remove(parcel)
                self._bytes -= size
        if not parcel.durable:
            raise NotDurable("sources.not_durable")

    async def arrivals(self) -> AsyncGenerator[Arrival, None]:
        """What was put in, in its order, several parcels as one batch. Asking for the next means that the one before is
        durable; closing means that it may not be, and sends away all who wait and all who come until the next call."""
        self._closed = False
        try:
            while not self._closed:
                if not self._waiting:
                    self._news = anyio.Event()
                    await self._news.wait()
                    continue
                parcels = self._together()
                try:
                    yield Arrival(Batch(pa.concat_tables([parcel.batch.table for parcel in parcels])), {})
                    for parcel in parcels:
                        parcel.durable = True
                finally:
                    self._settle(parcels)
        finally:
            self.close()

    def close(self) -> None:
        """End `arrivals`, and send away who waits."""
        self._closed = True
        self._settle(self._waiting)
        self._waiting.clear()
        self._news.set()

    def _together(self) -> list[_Parcel]:
        parcels = [self._waiting.popleft()]
        size = parcels[0].size
        while self._waiting and size + self._waiting[0].size <= TOGETHER_BYTES:
            parcels.append(self._waiting.popleft())
            size += parcels[-1].size
        return parcels

    def _settle(self, parcels: list[_Parcel] | deque[_Parcel]) -> None:
        for parcel in parcels:
            self._bytes -= parcel.size
            parcel.settled.set()
