"""From the queue to the sink: one batch after the other, again and again until it is taken, refused or given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from ..batch import Batch
from ..buffer import Claim
from ..errors import SafelightError, SinkError, SinkMisconfigured, SinkRefused, StoreCorrupt, StoreError
from ..meter import Meter, Tally
from ..sinks import Connection, Refusal
from .attempts import Attempts
from .clock import Clock
from .payload import MOST_WEIGHT, unpack
from .question import Question
from .stock import Stock
from .tidings import Tidings

PATIENCE_S: Final = 120.0
"""A connection that is not there after so long, or a batch that has no answer, is cut off."""
DISK_AGAIN_S: Final = 5.0
"""When our own disk fails, it is tried again after so long."""
UNREADABLE: Final = "unreadable"
FORGOTTEN: Final = "dead_letters_full"
REFUSED: Final = "refused"
"""Why events were dropped: their bytes made no sense; there were too many dead letters; the other side took all but
some, and did not say which."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Held:
    """What is being sent: claimed in the queue until it is done."""

    claim: Claim
    batch: Batch
    doubt: str = ""
    """Why all of it was refused, when a harmless event was, too."""


class Shipper:
    """Empties the queue of one sink. Lives on the event loop."""

    def __init__(
        self, stock: Stock, tidings: Tidings, language: str, clock: Clock, attempts: Attempts, patience_s: float
    ) -> None:
        self._stock = stock
        self._sink = stock.sink
        self._tidings = tidings
        self._language = language
        self._clock = clock
        self._patience_s = patience_s
        self._held: _Held | None = None
        self._since = -inf  # when what waits began to; what was there before us has waited enough
        self._flushing = False
        self._wake = anyio.Event()
        self._again = anyio.Event()
        self._question = Question(language, clock)
        self.attempts = attempts
        self.moved = anyio.Event()
        """Set, and replaced, when a batch was dealt with or has failed."""
        self.sent = Meter(clock.monotonic)
        self.bytes = Meter(clock.monotonic)
        self.refused = 0
        self.retries = 0
        self.dropped = Tally(clock.monotonic)
        self.detail = ""
        self.next_try_at: datetime | None = None
        self.last_sent_at: datetime | None = None

    async def run(self) -> None:
        """Until cancelled. What is under way then is sent again later, under the same id."""
        while True:
            await self._next()
            try:
                await self._session()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one sink, its events are kept
                await self._failed(_cause(error))

    def arrived(self, *, first: bool) -> None:
        """There is more in the queue; `first`: there was nothing before."""
        if first:
            self._since = self._clock.monotonic()
        self._wake.set()

    def hurry(self) -> None:
        """Try again now, whatever pause we are in."""
        self._again.set()

    async def flush(self, seconds: float) -> None:
        """Send what waits without collecting more, for as long as it goes well, at most so long."""
        until = self._clock.monotonic() + seconds
        self._flushing = True
        self._wake.set()
        try:
            while self._stock.figures.events and self.attempts.well:
                rest = until - self._clock.monotonic()
                if rest <= 0:
                    break
                await self._clock.wait(self.moved, rest)
        finally:
            self._flushing = False

    async def _session(self) -> None:
        """One connection, until it fails. What answers too late is cut off: the deadline moves along."""
        with anyio.CancelScope(deadline=anyio.current_time() + self._patience_s) as leash:
            async with self._sink.connect() as connection:
                while True:
                    leash.deadline = inf
                    held = await self._next()
                    leash.deadline = anyio.current_time() + self._patience_s
                    refusals = await self._handed_over(connection, held)
                    leash.deadline = inf
                    await self._delivered(held, refusals)
                    del held  # it would stay in memory until the next one comes
        raise SinkError("shipping.no_answer", seconds=self._patience_s)

    async def _handed_over(self, connection: Connection, held: _Held) -> Sequence[Refusal]:
        """What was refused of it; all of it only where something else is taken. Else a setting is at fault, and every
        batch would become dead letters."""
        if held.doubt and not await self._question.taken(connection):
            raise SinkMisconfigured("shipping.takes_nothing", reason=held.doubt)
        try:
            refusals = await connection.send(held.batch, held.claim.id)
        except SinkRefused as error:
            said = error.render(self._language)
            refusals = [Refusal(row, said) for row in range(len(held.batch))]
        except SinkMisconfigured as error:
            if not await self._question.taken(connection):
                raise
            raise SinkError(error.key, after_s=error.after_s, **error.values) from error
        if refusals and len(refusals) >= len(held.batch) and not await self._question.taken(connection):
            held.doubt = refusals[0].reason
            raise SinkMisconfigured("shipping.takes_nothing", reason=held.doubt)
        return refusals

    async def _next(self) -> _Held:
        """What failed before; or the next batch, when it is time."""
        while self._held is None:
            await self._due()
            claim = await self._kept(self._stock.claim)
            self._since = self._clock.monotonic()
            if claim is None:
                continue
            try:
                batch = await anyio.to_thread.run_sync(unpack, claim.frames)
            except StoreCorrupt as error:
                self._tidings.damaged(error)
                self._drop(claim.count, UNREADABLE)
                await self._kept(partial(self._stock.done, claim))
            else:
                self._held = _Held(claim, batch)
        return self._held

    async def _due(self) -> None:
        while True:
            self._wake = anyio.Event()
            rest = self._rest_s()
            if rest <= 0:
                return
            await self._clock.wait(self._wake, rest)

    def _rest_s(self) -> float:
        figures = self._stock.figures
        if not figures.frames:
            return inf
        if self._flushing or figures.events >= self._sink.most_events or figures.weight >= MOST_WEIGHT:
            return 0.0
        return self._since + self._sink.flush_interval.total_seconds() - self._clock.monotonic()

    async def _delivered(self, held: _Held, refusals: Sequence[Refusal]) -> None:
        rows = range(len(held.batch))
        reasons = {refusal.row: refusal.reason for refusal in refusals if refusal.row in rows}
        nameless = sum(refusal.row is None for refusal in refusals)
        if reasons:
            await self._lay_aside(held, reasons)
        if nameless:
            self._drop(nameless, REFUSED)
        await self._done(held)
        self.refused += len(reasons) + nameless
        self.sent.add(max(0, len(held.batch) - len(reasons) - nameless))
        self.bytes.add(sum(frame.weight for frame in held.claim.frames))
        self.last_sent_at, self.detail = self._clock.now(), ""
        self.attempts.success()
        self._tidings.recovered()

    async def _failed(self, error: Exception) -> None:
        self.detail = self._said(error)
        misconfigured = isinstance(error, SinkMisconfigured)
        after_s = error.after_s if isinstance(error, SinkError) else None
        pause = self.attempts.failure(after_s, misconfigured=misconfigured)
        held = self._held
        if held is not None and self.attempts.exhausted:
            await self._lay_aside(held, dict.fromkeys(range(len(held.batch)), self.detail))
            await self._done(held)
            self.attempts.given_up()
            self._tidings.failed(self.detail, "broken")
        else:
            self.retries += 1
            self._tidings.failed(self.detail, "misconfigured" if misconfigured else "failed")
        self._move()
        await self._rest(pause)

    async def _lay_aside(self, held: _Held, reasons: Mapping[int | None, str]) -> None:
        refused = Batch(held.batch.table.take(list(reasons)))
        said = list(reasons.values())
        write = partial(self._stock.lay_aside, refused, said, held.claim.id, self._clock.now())
        if gone := await self._kept(write):
            self._drop(gone, FORGOTTEN)
        for reason, count in Counter(said).items():
            self._tidings.dead_lettered(count, reason)

    async def _done(self, held: _Held) -> None:
        await self._kept(partial(self._stock.done, held.claim))
        self._held = None
        self._move()

    def _drop(self, count: int, why: str) -> None:
        self.dropped.add(why, count)
        self._tidings.dropped(count, why)

    async def _rest(self, seconds: float) -> None:
        self.next_try_at = self._clock.now() + timedelta(seconds=seconds)
        self._again = anyio.Event()
        await self._clock.wait(self._again, seconds)
        self.next_try_at = None

    async def _kept(self, act: Callable[[], Awaitable[_T]]) -> _T:
        """What `act` returns once our own disk lets it."""
        while True:
            try:
                return await act()
            except StoreError as error:
                self.detail = self._said(error)
                self._tidings.failed(self.detail)
            await self._rest(DISK_AGAIN_S)

    def _move(self) -> None:
        self.moved.set()
        self.moved = anyio.Event()

    def _said(self, error: Exception) -> str:
        if isinstance(error, SafelightError):
            return error.render(self._language)
        return f"{type(error).__name__}: {error}"


def _cause(error: Exception) -> Exception:
    """What is really wrong: a connection with tasks of its own wraps it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
