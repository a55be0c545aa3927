"""A sink with its queue: where events are offered, and how that goes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import anyio
import anyio.to_thread
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch, Checkpoint
from ..buffer import BufferFull, Frame
from ..errors import SafelightError
from ..event import LEVELS
from ..note import Note
from ..sinks import Sink
from . import requests
from .attempts import Attempts
from .clock import Clock, SystemClock
from .shipper import PATIENCE_S, Shipper
from .stock import Stock
from .tidings import Tidings

LOOK_AGAIN_S: Final = 60.0
"""Whoever waits for room looks this often even when nobody says that there is some."""
LOOK_FOR_REQUESTS_S: Final = 1.0
TOO_LARGE: Final = "too_large"
FULL: Final = "queue_full"
OLDEST: Final = "oldest"
BELOW_LEVEL: Final = "below_level"
"""Why events were dropped: larger than the whole queue; there was no room for them; they made room; there was room only
for events of a higher level."""


class Outlet:
    """See the room's docstring. `run` it in a task group; the other methods may be called by any task of the loop."""

    def __init__(
        self,
        sink: Sink,
        directory: Path,
        note: Note,
        language: str,
        clock: Clock | None = None,
        attempts: Attempts | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`directory`: its own. `patience_s`: what answers later than that is cut off."""
        self.sink = sink
        self._directory = directory
        self._clock = clock or SystemClock()
        self._tidings = Tidings(sink.called, note, language, self._clock)
        self._language = language
        self._attempts = attempts or Attempts(sink.retry)
        self._patience_s = patience_s
        self._offering = anyio.Lock()
        self._blocked = False

    async def open(self) -> None:
        """Raises StoreLocked when another process has the queue, StoreError when the directory cannot be used."""
        self._stock = await Stock.open(self.sink, self._directory, self._tidings.damaged)
        self._shipper = Shipper(
            self._stock, self._tidings, self._language, self._clock, self._attempts, self._patience_s
        )

    async def close(self) -> None:
        """What is queued stays queued."""
        self._tidings.tell()
        with anyio.CancelScope(shield=True):
            await self._stock.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def run(self) -> None:
        """Connect and send, until cancelled."""
        await self._shipper.run()

    async def flush(self, seconds: float) -> None:
        """Send what waits without collecting more, for as long as it goes well, at most so long."""
        await self._shipper.flush(seconds)

    async def offer(self, batch: Batch, checkpoint: Checkpoint) -> None:
        """Events to be sent, and what becomes true with them. Both are on the disk when it returns, unless `when_full`
        had some dropped: those are counted. With `block` it waits for room. Raises StoreError: nothing is kept."""
        async with self._offering:  # in order: positions must not go back
            frames = await self._stock.pack(batch) if len(batch) else []
            *before, last = self._portions(batch, frames)
            for part, some in before:
                await self._offer(part, some, {})
            await self._offer(*last, checkpoint)

    async def _offer(self, batch: Batch, frames: list[Frame], checkpoint: Checkpoint) -> None:
        first = not self._stock.figures.frames
        try:
            await self._put(frames, checkpoint)
        except BufferFull:
            await self._put_when_full(batch, frames, checkpoint)
        self._shipper.arrived(first=first)

    def _portions(self, batch: Batch, frames: list[Frame]) -> list[tuple[Batch, list[Frame]]]:
        """What fits into half of the queue at once, whatever its size; one event that does not is dropped: it would
        block the queue for ever. The last portion is there even if it is empty: it takes the positions."""
        most = self._stock.queue.capacity // 2
        portions: list[tuple[Batch, list[Frame]]] = []
        row = start = size = 0
        some: list[Frame] = []
        for frame in frames:
            taken = len(frame.payload)
            if (some and size + taken > most) or taken > most:
                portions.append((Batch(batch.table.slice(start, row - start)), some))
                start, size, some = row, 0, []
            row += frame.count
            if taken > most:
                self._drop(frame.count, TOO_LARGE)
                start = row
            else:
                some.append(frame)
                size += taken
        return [*portions, (Batch(batch.table.slice(start, row - start)), some)]

    async def _put(self, frames: list[Frame], checkpoint: Checkpoint, *, drop_oldest: bool = False) -> None:
        dropped = await self._stock.append(frames, checkpoint, drop_oldest=drop_oldest)
        if dropped:
            self._drop(dropped, OLDEST)

    async def _put_when_full(self, batch: Batch, frames: list[Frame], checkpoint: Checkpoint) -> None:
        match self.sink.buffer.when_full:
            case "block":
                await self._put_when_there_is_room(frames, checkpoint)
            case "drop_oldest":
                await self._put(frames, checkpoint, drop_oldest=True)
            case "drop_newest":
                await self._put([], checkpoint)
                self._drop(len(batch), FULL)
            case "spill_level":
                worth = _of_level(batch, self.sink.buffer.spill_level)
                await self._put(await self._stock.pack(worth), checkpoint, drop_oldest=True)
                self._drop(len(batch) - len(worth), BELOW_LEVEL)

    async def _put_when_there_is_room(self, frames: list[Frame], checkpoint: Checkpoint) -> None:
        self._blocked = True
        try:
            while True:
                moved = self._shipper.moved
                try:
                    return await self._put(frames, checkpoint)
                except BufferFull:
                    await self._clock.wait(moved, LOOK_AGAIN_S)
        finally:
            self._blocked = False

    def _drop(self, count: int, why: str) -> None:
        if count:
            self._shipper.dropped.add(why, count)
            self._tidings.dropped(count, why)

    def checkpoint(self) -> Mapping[str, str]:
        """What was offered, by key."""
        return self._stock.checkpoint()

    @property
    def room(self) -> bool:
        """False while an offer waits."""
        return not self._blocked

    async def retry_dead_letters(self) -> int:
        """Put them into the queue again; how many events. Raises StoreError, BufferFull when they do not fit (those
        that did are in the queue), InputError for a file that somebody has changed."""
        async with self._offering:
            first = not self._stock.figures.frames
            count = await self._stock.requeue()
        if count:
            self._shipper.arrived(first=first)
            self._shipper.hurry()
        return count

    async def heed(self) -> None:
        """Do what the command line asks for, until cancelled. See `requests`."""
        while True:
            with suppress(OSError):  # gone meanwhile, or a disk without room: asked again, or given up by who asks
                for request in await anyio.to_thread.run_sync(requests.waiting, self._directory):
                    told = await self._told()
                    await anyio.to_thread.run_sync(requests.answered, request, told)
            await anyio.sleep(LOOK_FOR_REQUESTS_S)

    async def _told(self) -> requests.Answer:
        try:
            return requests.Answer(await self.retry_dead_letters())
        except SafelightError as error:
            return requests.Answer(why_not=error.render(self._language))

    @property
    def sent(self) -> int:
        """Events that the other side has taken."""
        return int(self._shipper.sent.total)

    def status(self) -> dict[str, Any]:
        """As the page shows it. Asks no disk."""
        shipper, figures = self._shipper, self._stock.figures
        return {
            "type": self.sink.kind(),
            "name": self.sink.called,
            "where": self.sink.where,
            "state": self._state(),
            "detail": shipper.detail,
            "sent": shipper.sent.total,
            "rate": shipper.sent.per_second(),
            "bytes": shipper.bytes.total,
            "queue": {
                "events": figures.events,
                "bytes": figures.bytes if figures.frames else 0,
                "capacity_bytes": figures.capacity,
                "share": min(1.0, figures.bytes / figures.capacity) if figures.frames else 0.0,
                "oldest_at": figures.oldest_at,
            },
            "dropped": dict(shipper.dropped.total),
            "lately": {"dropped": shipper.dropped.lately()},
            "refused": shipper.refused,
            "retries": shipper.retries,
            "attempt": shipper.attempts.failed,
            "next_try_at": shipper.next_try_at,
            "last_sent_at": shipper.last_sent_at,
            "dead_letters": self._stock.letters.count,
        }

    def _state(self) -> str:
        if self._shipper.attempts.broken or self._shipper.attempts.misconfigured:
            return "broken"
        if self._blocked:
            return "blocked"
        if self._shipper.attempts.failed or self._shipper.detail:
            return "retrying"
        return "ok" if self._shipper.sent.total or self._stock.figures.events else "idle"


def _of_level(batch: Batch, least: str) -> Batch:
    return batch.where(pc.is_in(batch["level"], value_set=pa.array(LEVELS[LEVELS.index(least) :])))
