"""The parts of a running server, and how they live together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from .._version import __version__
from ..arrivals import Consignment
from ..batch import Batch, Process, compose
from ..config import Config
from ..config.defaults import sources_of
from ..config.model import Discover
from ..demo import Demo
from ..documents import DIRECTORY as DOCUMENTS
from ..documents import Documents
from ..errors import SafelightError, StoreCorrupt, StoreError
from ..event import Name
from ..importing import outcome
from ..locales import text
from ..pipeline import chain, redaction
from ..services import profile
from ..sources import Source
from ..sources.spool import Spool
from ..store.lock import Lock as DirectoryLock
from ..store.sandbox import UserSql
from ..store.segments import SegmentStore
from .alerting import Alerting, alerting
from .alertlog import AlertLog
from .alive import keep_alive
from .collect import Collector
from .commits import Commits
from .intake import Intake
from .journal import Journal
from .lost import Keeper
from .resubmit import Resubmitter
from .targets import Targets
from .upkeep import Upkeep

JUDGE_AGAIN_S: Final = 1.0
"""When the store could not answer the rules."""
STEP_PAUSE_S: Final = 0.05
"""A step costs 10 ms of CPU whatever it judges: at most 20 a second, however many commits there are."""
STOPPING_S: Final = 5.0
"""How long a message in flight, and then the last notes, may take when the server is told to stop."""


class Importing:
    """The steps for what `safelight ingest` sends of one service. They learn from what they see: one call at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._lock = Lock()

    def __call__(self, batch: Batch) -> Batch:
        """The events of a batch of lines."""
        with self._lock:
            return self._process(batch)


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
    collectors: list[Collector] = field(default_factory=list)
    commits: Commits = field(init=False)
    intake: Intake = field(init=False)
    closing: anyio.Event = field(init=False)
    _collecting: anyio.CancelScope = field(init=False)
    _judging: anyio.CancelScope = field(init=False)
    _delivered: anyio.Event = field(init=False)
    _imports: dict[str, Importing] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(
        cls, config: Config, data: Path, lock: DirectoryLock, *, url: str, demo: Demo | None = None
    ) -> Iterator[App]:
        """The parts, opened; closed again whatever happens. The lock stays the caller's.

        Raises StoreError.
        """
        if demo is not None:  # simulated alarms must not reach people, nor simulated prompts a ComfyUI
            nothing = Discover(comfyui=False, gpu=False, host=False)
            config = config.model_copy(update={"channels": (), "sources": (), "discover": nothing})
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
        self.commits = Commits(self.store.figures().last_seq)
        self.intake = Intake(self.store, self.commits)
        self.alerting.engine.on_change = self._stirred
        self._say(Name.SERVER_STARTED, "serve.started", version=self.version, data=self.data)
        for mistake in (*self.config.left_out, *self.alerting.rulebook.left_out):
            self._say(Name.CONFIG_LEFT_OUT, "serve.left_out", "ERROR", mistake=mistake)
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "collect": self._collect,
            "journal": lambda: self.journal.run(self.intake),
            "alerts": self._judge,
            "delivery": self._deliver,
            "upkeep": self.upkeep.run,
            "lost runs": self._keeper().run,
            "remedies": self.alerting.remedying.run,
        }
        if self.alerting.digests is not None:
            parts["digests"] = self.alerting.digests.run
        if self.demo is not None:
            parts["demo"] = self.demo.run
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
        await anyio.to_thread.run_sync(self.user_sql.close)
        await anyio.to_thread.run_sync(self.store.stop_answering)
        with anyio.move_on_after(STOPPING_S):
            await self._delivered.wait()
        self._say(Name.SERVER_STOPPED, "serve.stopped")
        with anyio.move_on_after(STOPPING_S), suppress(StoreError):  # it was reported when it began
            await self.journal.flush(self.intake)

    async def receive(self, consignment: Consignment) -> dict[str, int]:
        """Commit raw lines that `safelight ingest` sent. Raises StoreError."""
        label = consignment.label
        name = profile(label.service).name
        if name not in self._imports:
            self._imports[name] = Importing(self._chain(name))
        became: dict[str, int] = {}

        def understand(batch: Batch) -> Batch:
            events = self._imports[name](batch)
            became.update(outcome(events))
            return events

        await self.intake.take(consignment.batch, understand, label.checkpoint, label.batch_id)
        return became

    def _say(self, event: Name, key: str, level: str = "INFO", **values: object) -> None:
        self.journal.note(event, text(key, self.config.language, **values), level)

    async def _collect(self) -> None:
        self.collectors = [
            Collector(
                source,
                self._chain(source.service, source.timezone),
                self.store,
                self.intake,
                self.journal,
                self.config.language,
            )
            for source in self._sources()
        ]
        with self._collecting:
            async with anyio.create_task_group() as tasks:
                for collector in self.collectors:
                    tasks.start_soon(collector.run)

    def _chain(self, profile: str | None, timezone: str | None = None) -> Process:
        """What becomes of lines, and then of the documents among them: those are redacted as everything is."""
        return compose([chain(self.config.processors, profile, timezone), self.documents.step()])

    def _keeper(self) -> Keeper:
        spools = [source.root for source in self._sources() if isinstance(source, Spool)]
        return Keeper(self.store, self.commits, self.journal, spools, self.resubmitter, self.config.language)

    def _sources(self) -> list[Source]:
        if self.demo is not None:
            return [Spool(directory=self.demo.spool)]
        spool = [Spool(directory=self.config.spool.directory)] if self.config.spool.read else []
        return [*sources_of(self.config), *spool]

    async def _deliver(self) -> None:
        await self.alerting.delivery.run()
        self._delivered.set()

    def _stirred(self) -> None:
        """Somebody acted on an alert or a channel: from any thread."""
        self.commits.stir()
        self.alerting.delivery.wake()

    async def _judge(self) -> None:
        """Step the engine on every commit and whenever it is due; wake delivery when there is something to send."""
        with self._judging:
            await self._judge_on()

    async def _judge_on(self) -> None:
        limiter = anyio.CapacityLimiter(1)
        engine = self.alerting.engine
        told, changes = False, engine.repairs.changes
        while True:
            wait_s = (engine.next_due() - datetime.now(UTC)).total_seconds()
            with anyio.move_on_after(max(0.0, wait_s)):
                await self.commits.news(engine.evaluated_seq)
            try:
                news = await anyio.to_thread.run_sync(engine.step, self.commits.last_seq, limiter=limiter)
            except SafelightError as error:
                if not told:  # once for as long as it lasts
                    self.journal.note(Name.RULE_FAILED, error.render(self.config.language), "ERROR")
                told = True
                await anyio.sleep(JUDGE_AGAIN_S)
                continue
            told = False
            if news:
                self.alerting.delivery.wake()
            if engine.repairs.changes != changes:
                changes = engine.repairs.changes
                self.alerting.remedying.wake()
            await anyio.sleep(STEP_PAUSE_S)
