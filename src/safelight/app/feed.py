"""From the store to a sink: events are handed to its queue on disk after they are committed, each once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from ..batch import SCHEMA, Batch
from ..collecting.alive import described, wait_s
from ..collecting.echo import without_echo
from ..errors import SafelightError, StoreError, StoreFull
from ..event import Name
from ..locales import text
from ..meter import Tally
from ..note import Note
from ..processors import Processor
from ..processors.route import filter_of
from ..query.ast import All, Filter
from ..query.compile import where
from ..query.condition import condition
from ..query.sql import Span, Sql
from ..shipping.outlet import Outlet
from ..sinks import Sink
from ..store import Store
from .commits import Commits

DIRECTORY: Final = "sinks"
"""Under the data directory; in it one for each sink."""
SEQ: Final = "seq"
"""Under which a queue keeps our position: the number of the last event that was looked at."""
PIECE: Final = 5_000
"""Events read at once."""
LINGER_S: Final = 1.0
"""New events are looked for once a second at most: a look costs 10 ms of CPU, however few there are."""
REMEMBER: Final = 100_000
"""After so many events that this sink does not get the position is written down without one."""

RETENTION: Final = "retention"
"""Why an event was dropped: it was removed from the store before it was read."""


class Feed:
    """Reads what is committed after its position and offers it to the outlet of a sink. It begins at the present when
    the sink is new. Imported events are fed like all others."""

    def __init__(
        self,
        sink: Sink,
        processors: Sequence[Processor],
        store: Store,
        commits: Commits,
        data: Path,
        note: Note,
        language: str,
    ) -> None:
        self.sink = sink
        self.where = filter_of(sink.called, sink.where, processors)
        self.removed = Tally()
        """Events that retention took before they were read, also such as this sink would not get."""
        self._filter: Filter = condition(self.where) if self.where else All()
        self._store = store
        self._commits = commits
        self._directory = data / DIRECTORY / sink.called
        self._note = note
        self._language = language
        self._outlet: Outlet | None = None
        self._failure = ""
        self._finishing = False
        self._cursor = self._written = commits.last_seq
        self._limiter = anyio.CapacityLimiter(1)
        self.positioned = anyio.Event()
        """Set when it is known how far the sink has come."""

    @property
    def behind(self) -> int:
        """Events that are committed and were not looked at yet."""
        return max(0, self._commits.last_seq - self._cursor)

    @contextmanager
    def removing(self) -> Iterator[None]:
        """Around what removes events from the store, in any thread: counts those that we had still to read."""
        span = Span(after_seq=self._cursor, upto_seq=self._commits.last_seq)
        before = self._count(span) if self.behind else 0
        yield
        if before:
            self.removed.add(RETENTION, max(0, before - self._count(span)))

    async def run(self) -> None:
        """Until cancelled. A queue that cannot be opened stops this sink and nothing else; it is tried again."""
        attempt = 0
        while True:
            try:
                async with Outlet(self.sink, self._directory, self._note, self._language) as outlet:
                    self._outlet, self._failure = outlet, ""
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(outlet.run)
                        await self._feed(outlet)
            except Exception as error:  # noqa: BLE001 - one sink must not stop the others, whatever is wrong with it
                cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
                self._failed(cause)
            finally:
                self._outlet = None
            await anyio.sleep(wait_s(attempt))
            attempt += 1

    def status(self) -> dict[str, Any]:
        """As the page shows it."""
        shown = self._outlet.status() if self._outlet is not None else closed(self.sink, self._failure)
        if self._failure and self._outlet is not None:
            shown |= {"state": "retrying", "detail": self._failure}
        dropped = {**shown["dropped"], **self.removed.total}
        lately = {"dropped": {**shown["lately"]["dropped"], **self.removed.lately()}}
        return {**shown, "where": self.where, "behind_events": self.behind, "dropped": dropped, "lately": lately}

    async def retry_dead_letters(self) -> int:
        """Put the dead letters into the queue again; how many events. Raises SafelightError."""
        if self._outlet is None:
            raise StoreError("sinks.closed", name=self.sink.called, reason=self._failure or "-")
        return await self._outlet.retry_dead_letters()

    def finish(self) -> None:
        """Read nothing more from the store: the server stops. The rest is read after the next start."""
        self._finishing = True

    async def flush(self, seconds: float) -> None:
        """Send what waits in the queue, if that takes no longer."""
        if self._outlet is not None:
            await self._outlet.flush(seconds)

    async def _feed(self, outlet: Outlet) -> None:
        known = outlet.checkpoint().get(SEQ)
        if known:  # a position beyond the last event is of another store
            self._cursor = min(int(known), self._commits.last_seq)
        else:  # from when we were started: what came since is not to be missed
            await self._offer(outlet, Batch(SCHEMA.empty_table()), self._cursor)
        self._written = self._cursor
        self.positioned.set()
        linger_s = min(LINGER_S, self.sink.flush_interval.total_seconds() / 2)
        while not self._finishing:
            await self._commits.after(self._cursor)
            await anyio.sleep(linger_s)  # others may follow: they share the cost of looking
            there = self._commits.last_seq
            while self._cursor < there and not self._finishing:  # what comes meanwhile waits for the next look
                try:
                    events, upto = await anyio.to_thread.run_sync(self._read, limiter=self._limiter)
                except StoreError:
                    if self._finishing:  # the store closes first
                        break
                    raise
                if len(events) or upto - self._written >= REMEMBER:
                    await self._offer(outlet, events, upto)
                self._cursor = upto

        await anyio.sleep_forever()  # what is in the queue is sent as long as we are let

    async def _offer(self, outlet: Outlet, events: Batch, upto: int) -> None:
        """A full disk is waited for with the queue open: to send what is in it may be what makes room."""
        attempt = 0
        while True:
            try:
                await outlet.offer(events, {SEQ: str(upto)})
                break
            except StoreFull as error:
                self._failed(error)
                await anyio.sleep(wait_s(attempt))
                attempt += 1
        self._failure, self._written = "", upto

    def _failed(self, error: Exception) -> None:
        """Told once for as long as it lasts."""
        fault = described(error, self._language)
        if fault["error_message"] != self._failure:
            self._failure = fault["error_message"]
            said = text("sinks.failed", self._language, sink=self.sink.called, reason=self._failure)
            self._note(Name.SINK_FAILED, said, "ERROR", source=self.sink.called, **fault)

    def _read(self) -> tuple[Batch, int]:
        """The next events for this sink, and the number of the last one that was looked at. In a worker thread."""
        upto = self._commits.last_seq
        wanted = where(self._filter, datetime.now(UTC))
        found = self._store.oldest(wanted, Span(after_seq=self._cursor, upto_seq=upto), limit=PIECE)
        if len(found) == PIECE:
            upto = found["seq"][-1].as_py()
        events = Batch(found.drop_columns(["seq"]).cast(SCHEMA))
        return without_echo(events, self.sink.called), upto

    def _count(self, span: Span) -> int:
        try:
            return int(self._store.run(Sql("SELECT count(*) FROM events"), span).column(0)[0].as_py())
        except SafelightError:  # removing goes on, uncounted
            return 0


def closed(sink: Sink, failure: str) -> dict[str, Any]:
    """The status of a sink whose queue is not open."""
    return {
        "type": sink.kind(),
        "name": sink.called,
        "state": "broken" if failure else "idle",
        "detail": failure,
        "sent": 0,
        "rate": 0.0,
        "bytes": 0,
        "queue": {"events": 0, "bytes": 0, "capacity_bytes": 0, "share": 0.0, "oldest_at": None},
        "dropped": {},
        "lately": {"dropped": {}},
        "refused": 0,
        "retries": 0,
        "attempt": 0,
        "next_try_at": None,
        "last_sent_at": None,
        "dead_letters": 0,
    }
