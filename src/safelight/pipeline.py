"""The steps between a source and the store, in their order, each counting what passes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa

from .batch import Batch, Process, compose
from .locales import text
from .meter import Meter, Tally
from .processors import Processor
from .processors.enrich import Enrich
from .processors.fingerprint import Fingerprint
from .processors.locate import Locate
from .processors.parse import Parse
from .processors.redact import Redact, redact_text

ROUTE: Final = "route"
"""Says which sinks get an event; nothing happens to the event itself."""


class Step:
    """One of a chain, and what has passed it. Read it from any thread; one thread adds to it."""

    def __init__(self, kind: str, place: int, process: Process) -> None:
        self.type = kind
        self.name = f"{place} {kind}"
        self.process = process
        self.entered = Meter()
        self.left = 0
        self.dropped = 0
        self.failures = Tally()
        """Events on which it raised an error: they went on as they came, flagged."""
        self.seconds = 0.0
        """CPU time of its thread, also for what had to be done again."""

    @property
    def failed(self) -> int:
        """How many events it failed on."""
        return self.failures.total["failed"]

    def passed(self, came: int, went: int) -> None:
        """So many events came, so many of them went on."""
        self.entered.add(came)
        self.left += went
        self.dropped += max(0, came - went)

    def status(self) -> dict[str, Any]:
        """As the page shows it; `ms` is CPU time for 1,000 events."""
        came = self.entered.total
        return {
            "type": self.type,
            "name": self.name,
            "in": came,
            "out": self.left,
            "dropped": self.dropped,
            "rate": round(self.entered.per_second(), 3),
            "ms": round(self.seconds * 1e6 / came, 3) if came else 0.0,
            "failed": self.failed,
            "lately": self.failures.lately(),
        }


class Chain:
    """Steps, one after the other. An event on which one of them fails is kept and flagged, and the others go on
    (laws, 2). Counting takes 2 µs a step and batch, where a batch of 1,000 lines takes 1,500."""

    def __init__(self, steps: Iterable[tuple[str, Process]]) -> None:
        self.steps = tuple(Step(kind, place, process) for place, (kind, process) in enumerate(steps, 1))

    def __call__(self, batch: Batch) -> Batch:
        """What the steps make of a batch; those after one that leaves nothing are not asked."""
        return self._from(0, batch)

    def _from(self, place: int, events: Batch) -> Batch:
        """What is left to do, from this step on. Where one fails, its events are halved until it is known which ones it
        fails on; the steps before it are not asked again: they may count what they see."""
        for step in self.steps[place:]:
            came = len(events)
            if not came:
                break
            try:
                left = _timed(step, events)
            except Exception as error:  # noqa: BLE001 - a step may be anybody's
                if came > 1:
                    table, half = events.table, came // 2
                    parts = [self._from(place, Batch(part)).table for part in (table.slice(0, half), table.slice(half))]
                    return Batch(pa.concat_tables(parts))
                step.failures.add("failed")
                step.passed(1, 1)
                return _flagged(events, error)
            step.passed(came, len(left))
            events, place = left, place + 1
        return events


def chain(
    processors: Sequence[Processor],
    profile: str | None = None,
    timezone: str | None = None,
    *,
    host: str | None = None,
) -> Chain:
    """What happens to the raw lines of one source: understood, given their node and host, taken through the configured
    steps, redacted after the last of them whatever was configured (laws, 5), and grouped by error.

    `host`: the machine that they are of, where they do not say it; None when that is not known.
    """
    first: list[Processor] = [Parse(profile=profile, timezone=timezone), Locate()]
    if host is not None:
        first.append(Enrich(fields={"host": host}, only_missing=True))
    return Chain([*((step.kind(), step.build()) for step in first), *_configured(processors)])


def understood(processors: Sequence[Processor]) -> Chain:
    """The same for events that an agent has understood already, on the machine where they came from."""
    return Chain(_configured(processors))


def redaction(processors: Sequence[Processor]) -> Process:
    """As configured, or the default one. All there is for events that need no understanding, such as our own."""
    return compose(process for _, process in _redaction(processors))


def _configured(processors: Sequence[Processor]) -> list[tuple[str, Process]]:
    own = [step for step in processors if not isinstance(step, Redact) and step.kind() != ROUTE]
    last = Fingerprint()  # after redaction: without its digits a key is not known for one any more
    return [*((step.kind(), step.step()) for step in own), *_redaction(processors), (last.kind(), last.build())]


def _redaction(processors: Sequence[Processor]) -> list[tuple[str, Process]]:
    own = [step for step in processors if isinstance(step, Redact)]
    if all(getattr(step, "where", None) for step in own):  # what is redacted for some events only
        own.append(Redact())
    return [(step.kind(), step.step()) for step in own]


def _timed(step: Step, batch: Batch) -> Batch:
    began = time.thread_time()
    try:
        return step.process(batch)
    finally:
        step.seconds += time.thread_time() - began


def _flagged(batch: Batch, error: Exception) -> Batch:
    why = text("pipeline.step_failed", reason=type(error).__name__)
    line = batch["raw"].combine_chunks().view("binary")[0].as_py()
    if line is None:  # an event that needed no understanding
        return _redacted(batch).with_column("parse_error", why)
    shown = redact_text(line.decode("utf-8", "replace"), paths=False, addresses=False)
    for name, value in {"timestamp": batch["received_at"], "message": shown, "raw": shown, "level": "ERROR"}.items():
        batch = batch.with_column(name, value)
    return batch.with_column("parse_error", why)


def _redacted(batch: Batch) -> Batch:
    """The event as it came, without its secrets; should that fail as well, only who sent it, and when."""
    try:
        return Redact().build()(batch)
    except Exception:  # noqa: BLE001 - see above
        known = ("id", "timestamp", "received_at", "service", "instance", "host")
        return Batch.from_columns(len(batch), {name: batch[name] for name in known})
