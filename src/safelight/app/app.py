"""The parts of a running server, and how they live together."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from .._version import __version__
from ..arrivals import Consignment
from ..batch import compose
from ..collecting.alive import keep_alive
from ..collecting.collector import Collector
from ..collecting.journal import Journal
from ..config import Config
from ..config.defaults import sources_of
from ..config.discovered import mounted
from ..config.sections import Discover
from ..demo import Demo
from ..documents import DIRECTORY as DOCUMENTS
from ..documents import Documents
from ..errors import StoreCorrupt, StoreError
from ..event import Name
from ..locales import text
from ..pipeline import chain, redaction
from ..sinks import Sink
from ..sources import Source
from ..sources.listen import Listener
from ..sources.spool import Spool
from ..store.lock import Lock as DirectoryLock
from ..store.sandbox import UserSql
from ..store.segments import SegmentStore
from .alerting import Alerting, alerting
from .alertlog import AlertLog
from .commits import Commits
from .feed import Feed
from .intake import Intake
from .judging import judge
from .lost import Keeper
from .receiving import Receiving
from .resubmit import Resubmitter
from .targets import Targets
from .upkeep import Upkeep

OPENING_S: Final = 10.0
"""How long retention waits for sinks to open their queues."""
FLUSHING_S: Final = 2.0
"""How long sinks may take to send what waits in their queues when the server is told to stop; the rest goes after the
next start."""
STOPPING_S: Final = 5.0
"""How long a message in flight, and then the last notes, may take when the server is told to stop."""


@dataclass
class App:
    """Everything that runs in one server process."""

    config: Config
    data: Path
    store: SegmentStore
    documents: Documents
    alerting: Alerting
    user_sql: UserSql
    journal: Journal
    upkeep: Upkeep
    resubmitter: Resubmitter
    demo: Demo | None = None
    version: str = __version__
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    collectors: tuple[Collector, ...] = field(init=False)
    feeds: tuple[Feed, ...] = field(init=False)
    commits: Commits = field(init=False)
    intake: Intake = field(init=False)
    receiving: Receiving = field(init=False)
    closing: anyio.Event = field(init=False)
    _collecting: anyio.CancelScope = field(init=False)
    _judging: anyio.CancelScope = field(init=False)
    _delivered: anyio.Event = field(init=False)

    def __post_init__(self) -> None:
        """Collectors are there before they run: what listens on the server's own port is mounted as that starts."""
        self.commits = Commits(self.store.figures().last_seq)
        self.intake = Intake(self.store, self.commits)
        self.receiving = Receiving(self.config.processors, self.documents, self.intake)
        self.collectors = tuple(map(self._collector, self._sources()))
        self.feeds = tuple(map(self._feed, self.config.sinks))

        self.upkeep.removing = [feed.removing for feed in self.feeds]

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is read, also what others send to."""
        return tuple(collector.source for collector in self.collectors)

    @classmethod
    @contextmanager
    def open(
        cls, config: Config, data: Path, lock: DirectoryLock, *, url: str, demo: Demo | None = None
    ) -> Iterator[App]:
        """The parts, opened; closed again whatever happens. The lock stays the caller's.

        Raises StoreError.
        """
        if demo is not None:  # what is simulated must not reach people, a ComfyUI or another store
            nothing = Discover(comfyui=False, gpu=False, host=False)
            config = config.model_copy(update={"channels": (), "sinks": (), "sources": (), "discover": nothing})
        journal = Journal(redaction(config.processors), config.language)

        def troubled(problem: StoreError) -> None:
            event = Name.SEGMENT_DAMAGED if isinstance(problem, StoreCorrupt) else Name.UPKEEP_FAILED
            journal.note(event, problem.render(config.language), "ERROR")

        with SegmentStore.open(data, on_problem=troubled, lock=lock) as store, UserSql(data) as user_sql:
            documents = Documents(data / DOCUMENTS)
            upkeep = Upkeep(store, documents, config.store.retention, journal, config.language)
            note = AlertLog(data).wrapped(journal.note)
            targets = Targets(sources_of(config))
            resubmitter = Resubmitter(store, documents, targets, note, config.language)
            with alerting(config, data, store, resubmitter, note, url=url, simulated=demo is not None) as alerts:
                yield cls(config, data, store, documents, alerts, user_sql, journal, upkeep, resubmitter, demo)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Collect, judge, deliver and tidy up until cancelled."""
        self.closing, self._delivered = anyio.Event(), anyio.Event()
        self._collecting, self._judging = anyio.CancelScope(), anyio.CancelScope()
        self.alerting.engine.on_change = self._stirred
        self._say(Name.SERVER_STARTED, "serve.started", version=self.version, data=self.data)
        for mistake in (*self.config.left_out, *self.alerting.rulebook.left_out):
            self._say(Name.CONFIG_LEFT_OUT, "serve.left_out", "ERROR", mistake=mistake)
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "collect": self._collect,
            "journal": lambda: self.journal.run(self.intake),
            "alerts": self._judge,
            "delivery": self._deliver,
            "upkeep": self._tidy,
            "lost runs": self._keeper().run,
            "remedies": self.alerting.remedying.run,
        }
        if self.alerting.digests is not None:
            parts["digests"] = self.alerting.digests.run
        if self.demo is not None:
            parts["demo"] = self.demo.run
        for feed in self.feeds:
            parts[f"sink {feed.sink.called}"] = feed.run
        async with anyio.create_task_group() as tasks:
            for what, work in parts.items():
                tasks.start_soon(keep_alive, what, work, self.journal, self.config.language)
            task_status.started()

    async def stop(self) -> None:
        """Take nothing more, finish what is in flight, write down that we stop."""
        self.closing.set()
        self._collecting.cancel()
        self._judging.cancel()
        self.alerting.delivery.stop()
        for feed in self.feeds:
            feed.finish()
        await anyio.to_thread.run_sync(self.user_sql.close)
        await anyio.to_thread.run_sync(self.store.stop_answering)
        with anyio.move_on_after(STOPPING_S):
            async with anyio.create_task_group() as tasks:
                for feed in self.feeds:
                    tasks.start_soon(feed.flush, FLUSHING_S)
                await self._delivered.wait()
        self._say(Name.SERVER_STOPPED, "serve.stopped")
        with anyio.move_on_after(STOPPING_S), suppress(StoreError):  # it was reported when it began
            await self.journal.flush(self.intake)

    async def receive(self, consignment: Consignment) -> dict[str, int]:
        """Commit raw lines that `safelight ingest` sent, or events of an agent. Raises StoreError."""
        return await self.receiving.take(consignment)

    def _say(self, event: Name, key: str, level: str = "INFO", **values: object) -> None:
        self.journal.note(event, text(key, self.config.language, **values), level)

    async def _collect(self) -> None:
        with self._collecting:
            async with anyio.create_task_group() as tasks:
                for collector in self.collectors:
                    tasks.start_soon(collector.run)

    def _collector(self, source: Source) -> Collector:
        """What becomes of lines, and then of the documents among them: those are redacted as everything is."""
        host = None if isinstance(source, Listener) else socket.gethostname()
        steps = chain(self.config.processors, source.service, source.timezone, host=host)
        process = compose([steps, self.documents.step()])
        return Collector(source, process, self.intake, self.journal, self.config.language, steps.steps)

    def _feed(self, sink: Sink) -> Feed:
        processors, language = self.config.processors, self.config.language
        return Feed(sink, processors, self.store, self.commits, self.data, self.journal.note, language)

    def _keeper(self) -> Keeper:
        spools = [source.root for source in self.sources if isinstance(source, Spool)]
        return Keeper(self.store, self.commits, self.journal, spools, self.resubmitter, self.config.language)

    def _sources(self) -> list[Source]:
        sources = sources_of(self.config)
        if self.demo is not None:
            sources.append(Spool(directory=self.demo.spool))
        elif self.config.spool.read:
            sources.append(Spool(directory=self.config.spool.directory))
        return [*sources, *mounted(self.config.sources)]

    async def _deliver(self) -> None:
        await self.alerting.delivery.run()
        self._delivered.set()

    async def _tidy(self) -> None:
        """Not before every sink knows how far it has come: what it loses to retention is counted."""
        with anyio.move_on_after(OPENING_S):
            for feed in self.feeds:
                await feed.positioned.wait()
        await self.upkeep.run()

    def _stirred(self) -> None:
        """Somebody acted on an alert or a channel: from any thread."""
        self.commits.stir()
        self.alerting.delivery.wake()

    async def _judge(self) -> None:
        with self._judging:
            await judge(self.alerting, self.commits, self.journal, self.config.language)
