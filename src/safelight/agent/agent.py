"""The parts of a running agent, and how they live together."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import TaskStatus

from .._version import __version__
from ..collecting.alive import keep_alive
from ..collecting.collector import Collector
from ..collecting.diagnosis import problems
from ..collecting.journal import Journal
from ..config.agent import AgentConfig
from ..errors import StoreError
from ..event import Name
from ..lean import resting
from ..locales import text
from ..pipeline import chain, redaction
from ..shipping.outlet import Outlet
from ..sinks import Sink
from ..sources import Source
from ..sources.listen import Listener
from ..sources.spool import Spool
from .queues import Queues, Way
from .telling import tell

SINKS: Final = "sinks"
"""Under the data directory; in it one directory for each sink."""
STOPPING_S: Final = 5.0
"""How long each may take when the agent is told to stop: what is in hand, the last notes, the last batches."""


@dataclass
class Agent:
    """Everything that runs in one agent process."""

    config: AgentConfig
    data: Path
    outlets: Mapping[str, Outlet]
    journal: Journal
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    version: str = __version__
    queues: Queues = field(init=False)
    collectors: tuple[Collector, ...] = field(init=False)
    _collecting: anyio.CancelScope = field(init=False)

    def __post_init__(self) -> None:
        """Its sources, ready to run."""
        self.queues = Queues([_way(sink, self.outlets[sink.called], self.config) for sink in self.config.sinks])
        self.collectors = tuple(map(self._collector, self._sources()))

    @classmethod
    @asynccontextmanager
    async def open(cls, config: AgentConfig, data: Path) -> AsyncIterator[Agent]:
        """The parts, opened; closed again whatever happens. Raises StoreError when a queue cannot be opened."""
        journal = Journal(redaction(config.processors), config.language)
        async with AsyncExitStack() as stack:
            outlets = {}
            for sink in config.sinks:
                outlet = Outlet(sink, data / SINKS / sink.called, journal.note, config.language)
                outlets[sink.called] = await stack.enter_async_context(outlet)
            yield cls(config, data, outlets, journal)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Collect and send until cancelled."""
        self._collecting = anyio.CancelScope()
        self.journal.note(Name.AGENT_STARTED, text("agent.started", self.config.language, version=self.version))
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "collect": self._collect,
            "journal": lambda: self.journal.run(self.queues),
            "status": lambda: tell(self.data, self.status),
            "rest": lambda: resting(self._worked),
        }
        parts |= {f"sink {name}": outlet.run for name, outlet in self.outlets.items()}
        parts |= {f"requests {name}": outlet.heed for name, outlet in self.outlets.items()}
        async with anyio.create_task_group() as tasks:
            for what, work in parts.items():
                tasks.start_soon(keep_alive, what, work, self.journal, self.config.language)
            task_status.started()

    async def stop(self) -> None:
        """Read nothing more, write down that we stop, and send what can be sent at once."""
        await self.queues.finish(STOPPING_S)
        self._collecting.cancel()
        self.journal.note(Name.AGENT_STOPPED, text("agent.stopped", self.config.language))
        with anyio.move_on_after(STOPPING_S), suppress(StoreError):  # it was reported when it began
            await self.journal.flush(self.queues)
            await self.queues.agree()
        async with anyio.create_task_group() as tasks:
            for outlet in self.outlets.values():
                tasks.start_soon(outlet.flush, STOPPING_S)

    def status(self) -> dict[str, Any]:
        """As `/api/v1/pipeline` of a server shows it."""
        shown: dict[str, Any] = {
            "agent": True,
            "sources": [collector.figures() for collector in self.collectors],
            "store": None,
            "sinks": [way.status() for way in self.queues.ways],
        }
        return {**shown, "problems": problems(shown, self.config.language)}

    def _worked(self) -> int:
        """Events that came or went."""
        return sum(one.events.total for one in self.collectors) + sum(one.sent for one in self.outlets.values())

    async def _collect(self) -> None:
        with self._collecting:
            async with anyio.create_task_group() as tasks:
                for collector in self.collectors:
                    tasks.start_soon(collector.run)

    def _sources(self) -> list[Source]:
        spool = [Spool(directory=self.config.spool.directory)] if self.config.spool.read else []
        return [*self.config.found(), *spool]

    def _collector(self, source: Source) -> Collector:
        host = None if isinstance(source, Listener) else socket.gethostname()
        steps = chain(self.config.processors, source.service, source.timezone, host=host)
        return Collector(source, steps, self.queues, self.journal, self.config.language, steps.steps)


def _way(sink: Sink, outlet: Outlet, config: AgentConfig) -> Way:
    from ..processors.route import filter_of  # noqa: PLC0415 - most agents send everything to one server

    wanted = filter_of(sink.called, sink.where, config.processors)
    if wanted is None:
        return Way(sink, outlet)
    from ..query.condition import condition  # noqa: PLC0415
    from ..query.mask import mask  # noqa: PLC0415

    return Way(sink, outlet, wanted, mask(condition(wanted)))
