"""The parts of a running server, and how they live together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from .._version import __version__
from ..alerts.engine import Engine
from ..arrivals import Consignment
from ..batch import Process
from ..channels.deliver import Delivery, target
from ..config import Config
from ..config.defaults import rules_of
from ..demo import Demo
from ..errors import SafelightError, StoreError
from ..event import Name
from ..importing import outcome
from ..locales import text
from ..pipeline import chain, redaction
from ..sources import Source
from ..sources.spool import Spool
from ..store import Store
from ..store.lock import Lock
from ..store.sandbox import UserSql
from ..store.segments import SegmentStore
from .collect import Collector
from .commits import Commits
from .intake import Intake
from .journal import Journal
from .upkeep import Upkeep

JUDGE_AGAIN_S: Final = 1.0
"""When the store could not answer the rules."""
STEP_PAUSE_S: Final = 0.05
"""A step costs 10 ms of CPU whatever it judges: at most 20 a second, however many commits there are."""
MOST_BEHIND: Final = 100_000
"""Events that rules may not have seen yet before we call ourselves not ready."""
STOPPING_S: Final = 5.0
"""How long the last notes and the store may take when the server is told to stop."""


@dataclass
class App:
    """Everything that runs in one server process."""

    config: Config
    data: Path
    store: Store
    engine: Engine
    delivery: Delivery
    user_sql: UserSql
    journal: Journal
    upkeep: Upkeep
    demo: Demo | None = None
    version: str = __version__
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    collectors: list[Collector] = field(default_factory=list)
    commits: Commits = field(init=False)
    intake: Intake = field(init=False)
    closing: anyio.Event = field(init=False)
    problems: list[str] = field(default_factory=list)
    _chains: dict[tuple[str | None, str | None], Process] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, config: Config, data: Path, lock: Lock, *, url: str, demo: Demo | None = None) -> Iterator[App]:
        """The parts, opened; closed again whatever happens. The lock stays the caller's.

        Raises StoreError.
        """
        journal = Journal(redaction(config.processors), config.language)
        problems: list[str] = []

        def damaged(problem: StoreError) -> None:
            said = problem.render(config.language)
            problems.append(said)
            journal.note(Name.SEGMENT_DAMAGED, said, "ERROR")

        with SegmentStore.open(data, on_problem=damaged, lock=lock) as store, UserSql(data) as user_sql:
            engine = Engine(
                store,
                rules_of(config),
                [target(channel, config.language) for channel in config.channels],
                data / "state.sqlite",
                note=journal.note,
                language=config.language,
                base_url=url,
                zone=datetime.now().astimezone().tzinfo or UTC,
            )
            delivery = Delivery(engine.outbox, config.channels, note=journal.note, language=config.language)
            try:
                upkeep = Upkeep(store, config.store.retention, journal, config.language)
                yield cls(config, data, store, engine, delivery, user_sql, journal, upkeep, demo, problems=problems)
            finally:
                engine.close()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Collect, judge, deliver and tidy up until cancelled."""
        self.closing = anyio.Event()
        self.commits = Commits(self.store.figures().last_seq)
        self.intake = Intake(self.store, self.commits)
        self.journal.note(
            Name.SERVER_STARTED, text("serve.started", self.config.language, version=self.version, data=self.data)
        )
        for mistake in self.config.left_out:
            said = text("serve.left_out", self.config.language, mistake=mistake)
            self.journal.note(Name.CONFIG_LEFT_OUT, said, "ERROR")
        async with anyio.create_task_group() as tasks:
            for source in self._sources():
                process = self._chain(source.service, source.timezone)
                collector = Collector(source, process, self.store, self.intake, self.journal, self.config.language)
                self.collectors.append(collector)
                tasks.start_soon(collector.run)
            tasks.start_soon(self.journal.run, self.intake)
            tasks.start_soon(self._judge)
            tasks.start_soon(self.delivery.run)
            tasks.start_soon(self.upkeep.run)
            if self.demo is not None:
                tasks.start_soon(self.demo.run)
            task_status.started()

    async def stopped(self) -> None:
        """Write down that we stop."""
        self.journal.note(Name.SERVER_STOPPED, text("serve.stopped", self.config.language))
        self.delivery.stop()
        with anyio.move_on_after(STOPPING_S, shield=True):
            try:
                await self.journal.flush(self.intake)
            except StoreError:
                return  # the store cannot take it: it was reported when that began

    async def receive(self, consignment: Consignment) -> dict[str, int]:
        """Commit raw lines that another process of ours sent. Raises StoreError."""
        label = consignment.label
        became: dict[str, int] = {}
        process = self._chain(label.service, label.timezone)

        def understand(batch: Any) -> Any:
            events = process(batch)
            became.update(outcome(events))
            return events

        await self.intake.take(consignment.batch, understand, label.checkpoint, label.batch_id)
        return became

    def status(self) -> dict[str, Any]:
        """As `/api/v1/status` shows it."""
        figures = self.store.figures()
        sources = [collector.status() for collector in self.collectors]
        failing = [source["detail"] for source in sources if source["detail"]]
        rules = [f"{rule}: {error.render(self.config.language)}" for rule, error in self.engine.problems.items()]
        return {
            "version": self.version,
            "demo": self.demo is not None,
            "language": self.config.language,
            "started_at": self.started_at,
            "store": {
                "events": figures.events,
                "bytes": figures.bytes,
                "segments": figures.segments,
                "oldest": figures.oldest,
                "newest": figures.newest,
            },
            "sources": sources,
            "channels": self.engine.channels(),
            "rules": self.engine.rules(),
            "problems": [*self.config.left_out, *self.problems, *failing, *rules],
        }

    def checks(self) -> dict[str, dict[str, Any]]:
        """As `/readyz` shows it."""
        blocked = [c.source.name for c in self.collectors if c.failure]
        behind = self.commits.last_seq - self.engine.evaluated_seq
        return {
            "store": {"ok": True, "events": self.store.figures().events},
            "sources": {"ok": not blocked, "failing": blocked},
            "alerts": {"ok": behind < MOST_BEHIND, "events_behind": behind},
        }

    def _sources(self) -> list[Source]:
        sources = list(self.config.sources)
        if self.demo is not None:
            return [Spool(directory=self.demo.spool)]
        if self.config.spool.read:
            sources.append(Spool(directory=self.config.spool.directory))
        return sources

    def _chain(self, service: str | None, timezone: str | None) -> Process:
        key = (service, timezone)
        if key not in self._chains:
            self._chains[key] = chain(self.config.processors, service, timezone)
        return self._chains[key]

    async def _judge(self) -> None:
        """Step the engine on every commit and whenever it is due; wake delivery when there is something to send."""
        while True:
            wait_s = (self.engine.next_due() - datetime.now(UTC)).total_seconds()
            with anyio.move_on_after(max(0.0, wait_s)):
                await self.commits.after(self.engine.evaluated_seq)
            try:
                news = await anyio.to_thread.run_sync(self.engine.step, self.commits.last_seq)
            except SafelightError as error:
                self.journal.note(Name.RULE_FAILED, error.render(self.config.language), "ERROR")
                await anyio.sleep(JUDGE_AGAIN_S)
                continue
            if news:
                self.delivery.wake()
            await anyio.sleep(STEP_PAUSE_S)
