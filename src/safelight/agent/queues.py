"""Where an agent's batches become durable: in the queues on disk of its sinks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import anyio
import anyio.to_thread
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import SCHEMA, Batch, Checkpoint, Process
from ..collecting.echo import without_echo
from ..shipping.outlet import Outlet
from ..sinks import Sink

THREADS: Final = 2
"""Batches that are taken through their steps at once: each more would take 10 MB, and an agent has few cores."""
FIRST: Final = "safelight"
"""The type of the sink that is the last to be fed, so that its queue holds the positions."""
LEADING: Final = "leading"
"""Under which a queue keeps when it led last, in milliseconds since 1970, but always growing: whatever became of the
sinks of the configuration meanwhile, the positions of the highest are the newest."""

Choice = Callable[[Batch, datetime], pa.BooleanArray]


@dataclass(frozen=True, slots=True)
class Way:
    """A sink's outlet, and which events it takes: as a query, and as what answers it; None is all of them."""

    sink: Sink
    outlet: Outlet
    where: str | None = None
    choice: Choice | None = None

    def chosen(self, events: Batch, now: datetime) -> Batch:
        """Its events of a batch."""
        if not len(events):
            return events
        mine = events if self.choice is None else events.where(self.choice(events, now))
        return without_echo(mine, self.sink.called)

    def status(self) -> dict[str, Any]:
        """As the page shows it."""
        return {**self.outlet.status(), "where": self.where}

    @property
    def led_at(self) -> int:
        """See LEADING; 0 when it never did."""
        return int(self.outlet.checkpoint().get(LEADING, 0))


class Queues:
    """Feeds every sink. The last one is the leader: with its copy of a batch the positions of the sources advance, so
    that a crash in between repeats events for the others, under the same ids, and loses none."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self.ways = sorted(ways, key=lambda way: way.sink.kind() == FIRST)
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._ahead: defaultdict[str, set[str]] = defaultdict(set)
        self._led_at = max((way.led_at for way in self.ways), default=0)
        self._agreed = False
        self._agreeing = anyio.Lock()
        self._in_hand = 0
        self._finishing = False
        self._settled = anyio.Event()

    async def take(
        self, batch: Batch, process: Process, checkpoint: Checkpoint | None = None, batch_id: str | None = None
    ) -> None:
        """See `collecting.Destination`. Waits while a queue is full that is to block."""
        if self._finishing and checkpoint is not None:
            await anyio.sleep_forever()

        def work() -> list[Batch]:
            events = process(batch) if len(batch) else batch
            now = datetime.now(UTC)
            return [way.chosen(events, now) for way in self.ways]

        self._in_hand += 1
        try:
            async with self._agreeing:
                if not self._agreed:
                    await self.agree()
            await self._offer(await anyio.to_thread.run_sync(work, limiter=self._limiter), checkpoint or {})
        finally:
            self._in_hand -= 1
            self._settled.set()

    async def finish(self, seconds: float) -> None:
        """Take nothing more from sources, and wait, at most so long, until what is in hand is in every queue."""
        self._finishing = True
        with anyio.move_on_after(seconds):
            while self._in_hand:
                self._settled = anyio.Event()
                await self._settled.wait()

    async def agree(self) -> None:
        """Let every queue know all positions: after the next start any of them may be the leader. Raises StoreError."""
        newest = self._newest().outlet.checkpoint()
        for way in self.ways:
            known = way.outlet.checkpoint()
            if known != newest:
                await way.outlet.offer(Batch(SCHEMA.empty_table()), {**dict.fromkeys(known), **newest})
        self._agreed = True

    def checkpoint(self) -> Mapping[str, str]:
        """From the queue that led last: the leader's, unless that is new."""
        known = self._newest().outlet.checkpoint()
        return {key: position for key, position in known.items() if key != LEADING}

    def _newest(self) -> Way:
        ranked = enumerate(self.ways)
        return max(ranked, key=lambda one: (one[1].led_at, bool(one[1].outlet.checkpoint()), one[0]))[1]

    async def _offer(self, parts: Sequence[Batch], checkpoint: Checkpoint) -> None:
        """A part for each way. What one has before another refuses it does not get again, when all is offered again."""
        offered: list[tuple[Way, Batch]] = []
        try:
            for way, part in zip(self.ways, parts, strict=True):
                moved = self._leading(checkpoint) if way is self.ways[-1] else checkpoint
                part = self._lacking(way, part)  # noqa: PLW2901 - what is left of it
                if len(part) or moved is not checkpoint:
                    await way.outlet.offer(part, moved)
                offered.append((way, part))
        except BaseException:
            for way, part in offered:
                self._ahead[way.sink.called].update(part["id"].to_pylist())
            raise
        for way, part in zip(self.ways, parts, strict=True):
            if ahead := self._ahead[way.sink.called]:
                ahead.difference_update(part["id"].to_pylist())

    def _lacking(self, way: Way, part: Batch) -> Batch:
        if not (ahead := self._ahead[way.sink.called]):
            return part
        return part.where(pc.invert(pc.is_in(part["id"], value_set=pa.array(list(ahead), pa.string()))))

    def _leading(self, checkpoint: Checkpoint) -> Checkpoint:
        if not checkpoint:
            return checkpoint
        self._led_at = max(self._led_at + 1, time.time_ns() // 1_000_000)
        return {**checkpoint, LEADING: str(self._led_at)}
