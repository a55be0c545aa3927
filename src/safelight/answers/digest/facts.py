"""What a day adds up to. A question that the store cannot answer leaves its part out; the rest is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ...errors import SafelightError
from ...query.nodes import nodes
from ...query.sql import Span, Sql
from ...store import Store
from . import questions

FAILURES_MAX: Final = 5
SLOWER_MAX: Final = 3
SLOWER_FROM: Final = 1.5
"""Times its usual from which a node is worth telling."""
SLOWER_RUNS: Final = 10
"""Executions that it takes: of fewer one slow model load makes the mean."""
BEFORE: Final = timedelta(days=7)
DISK_FULL_PERCENT: Final = 90.0
QUESTION_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason for failing."""

    group: str
    count: int
    node: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Slower:
    """A node that took longer than in the 7 days before."""

    node: str
    ms: float
    usual_ms: float


@dataclass(frozen=True, slots=True)
class Disk:
    """The fullest disk of all machines."""

    host: str
    mount: str
    free_mb: float
    used_percent: float


@dataclass(frozen=True, slots=True)
class Digest:
    """Runs, and for services without runs pictures, are counted together."""

    start: datetime
    end: datetime
    done: int = 0
    failed: int = 0
    interrupted: int = 0
    lost: int = 0
    outputs: int = 0
    users: int = 0
    failures: tuple[Failure, ...] = ()
    slower: tuple[Slower, ...] = ()
    gpu_hours: float | None = None
    alerts: tuple[tuple[str, int], ...] = ()
    """Rules and how many of their alerts somebody was told of."""
    muted: int = 0
    """Alerts that nobody was told of: silences, quiet hours and the like."""
    late: int = 0
    """Events that came too late to fire anything."""
    disk: Disk | None = None
    complete: bool = True
    """Every question was answered."""

    @property
    def all_is_well(self) -> bool:
        """Nothing failed, nothing is slower, nobody was alerted, and the disk has room."""
        room = self.disk is None or self.disk.used_percent < DISK_FULL_PERCENT
        return self.complete and room and not (self.failed or self.lost or self.slower or self.alerts or self.muted)


def digest(store: Store, start: datetime, end: datetime, *, late: int = 0) -> Digest:
    """What `start <= timestamp < end` adds up to."""
    asked = _Asked(store, Span(start, end))
    counted = (asked.rows(questions.counts()) or [{}])[0]
    fired = asked.rows(questions.alerts())
    hours = (asked.rows(questions.cards()) or [{}])[0].get("hours")
    return Digest(
        start,
        end,
        done=counted.get("done", 0) + counted.get("processed", 0),
        failed=counted.get("failed", 0) + counted.get("not_processed", 0),
        interrupted=counted.get("interrupted", 0),
        lost=counted.get("lost", 0),
        outputs=counted.get("outputs", 0) + counted.get("processed", 0),
        users=counted.get("users", 0),
        failures=tuple(
            Failure(row["error_group"], row["count"], row["node"], row["message"])
            for row in asked.rows(questions.failures(FAILURES_MAX))
        ),
        slower=_slower(asked, start, end),
        gpu_hours=round(hours, 1) if hours is not None else None,
        alerts=tuple((row["rule"], row["told"]) for row in fired if row["told"]),
        muted=sum(row["muted"] for row in fired),
        late=late,
        disk=_fullest(asked.rows(questions.disks())),
        complete=asked.complete,
    )


@dataclass
class _Asked:
    """Asks, and remembers whether every answer came."""

    store: Store
    span: Span
    complete: bool = True

    def rows(self, sql: Sql, span: Span | None = None) -> list[dict[str, Any]]:
        try:
            return list(self.store.run(sql, span or self.span, timeout_s=QUESTION_S).to_pylist())
        except SafelightError:
            self.complete = False
            return []


def _slower(asked: _Asked, start: datetime, end: datetime) -> tuple[Slower, ...]:
    rows = asked.rows(nodes(start, end, end, against=start - BEFORE), Span(start - BEFORE, end))
    found = [
        row for row in rows if row["count"] >= SLOWER_RUNS and row["ratio"] is not None and row["ratio"] >= SLOWER_FROM
    ]
    found.sort(key=lambda row: -row["ratio"])
    return tuple(Slower(row["node"], row["avg_ms"], row["usual_ms"]) for row in found[:SLOWER_MAX])


def _fullest(rows: Sequence[dict[str, Any]]) -> Disk | None:
    disks = []
    for row in rows:
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            disks += [
                Disk(row["host"] or "", str(disk["mount"]), float(disk["free_mb"]), float(disk["used_percent"]))
                for disk in json.loads(row["disks"])
            ]
    return max(disks, key=lambda disk: disk.used_percent, default=None)
