"""What others hand over as consignments: raw lines of `safelight ingest`, and events that an agent has understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import pyarrow.compute as pc

from ..arrivals import INGEST, Consignment, Label
from ..batch import Batch, Checkpoint, Process, compose
from ..collecting.collector import AHEAD_S
from ..documents import Documents
from ..importing import moved, outcome
from ..meter import Meter, Tally
from ..pipeline import Chain, chain, understood
from ..processors import Processor
from ..services import profile
from .intake import Intake
from .seen import PREFIX, arrived

MOST_SENDERS: Final = 1_000
"""Agents that are told apart; those beyond are counted together, under no name."""


@dataclass
class Sender:
    """The steps for one service or one agent, and what came. They learn from what they see: one call at a time."""

    chain: Chain
    process: Process
    name: str = ""
    events: Meter = field(default_factory=Meter)
    bytes: Meter = field(default_factory=Meter)
    seen: Tally = field(default_factory=Tally)
    """Events, and how many of them were not understood."""
    last_event_at: datetime | None = None
    ahead_s: float = 0.0
    """How far in the future the last batch was read, by its sender's clock."""
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, batch: Batch) -> Batch:
        """What the steps make of a batch."""
        with self._lock:
            return self.process(batch)

    def took(self, batch: Batch, not_understood: int) -> None:
        """It is durable."""
        now = datetime.now(UTC)
        self.events.add(len(batch))
        self.bytes.add(batch.table.nbytes)
        self.seen.add("events", len(batch))
        self.seen.add("not_understood", not_understood)
        self.last_event_at = now
        latest = pc.max(batch["received_at"]).as_py()
        ahead = (latest - now).total_seconds() if latest is not None else 0.0
        self.ahead_s = ahead if ahead > AHEAD_S else 0.0

    def figures(self) -> dict[str, Any]:
        """As a source is shown."""
        return {
            "type": "agent",
            "name": self.name,
            "service": None,
            "state": "reading",
            "detail": "",
            "events": self.events.total,
            "rate": round(self.events.per_second(), 3),
            "bytes": self.bytes.total,
            "bytes_rate": round(self.bytes.per_second(), 1),
            "last_event_at": self.last_event_at,
            "not_understood": self.seen.total["not_understood"],
            "refused": {},
            "lately": {**self.seen.lately(), "refused": {}},
            "troubles": {},
            "ahead_s": round(self.ahead_s, 1),
            "looked": True,
            "lag_s": None,
            "behind_bytes": None,
            "files": [],
            "files_total": 0,
            "steps": [step.status() for step in self.chain.steps],
        }


class Receiving:
    """Takes consignments from any number of senders."""

    def __init__(self, processors: Sequence[Processor], documents: Documents, intake: Intake) -> None:
        self._processors = processors
        self._documents = documents
        self._intake = intake
        self._imports: dict[str, Sender] = {}
        self.agents: dict[str, Sender] = {}

    async def take(self, consignment: Consignment) -> dict[str, int]:
        """Commit it; says how many events it became. Raises StoreError."""
        label = consignment.label
        advanced: Checkpoint | None = label.checkpoint
        if label.understood:
            advanced = arrived(label.batch_id, self._intake.checkpoint(PREFIX))
            if advanced is None:
                return outcome(Batch.of([]))
        elif advanced:
            advanced = moved(advanced, self._intake.checkpoint(INGEST))
        sender = self._agent(label.agent or "") if label.understood else self._import(label)
        became: dict[str, int] = {}

        def understand(batch: Batch) -> Batch:
            events = sender(batch)
            became.update(outcome(events))
            return events

        before = self._intake.last_seq
        commit = await self._intake.take(consignment.batch, understand, advanced, label.batch_id)
        if label.understood and commit.last_seq > before:  # a batch that is here already keeps its numbers
            sender.took(consignment.batch, became.get("not_understood", 0))
        return became

    def _import(self, label: Label) -> Sender:
        name = profile(label.service).name
        if name not in self._imports:
            self._imports[name] = self._sender(chain(self._processors, name))
        return self._imports[name]

    def _agent(self, name: str) -> Sender:
        name = name if name in self.agents or len(self.agents) < MOST_SENDERS else ""
        if name not in self.agents:
            self.agents[name] = self._sender(understood(self._processors), name)
        return self.agents[name]

    def _sender(self, steps: Chain, name: str = "") -> Sender:
        """The steps, and then the documents among the events: those are redacted as everything is."""
        return Sender(steps, compose([steps, self._documents.step()]), name)
