"""What alerting knows: how far it has judged, which alerts fire, what has changed and is not told yet.

Everything here happens inside the caller's transaction, so that it is committed together with the outbox.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .alert import Alert, identity, opened
from .database import Database, at, micros, moment
from .evaluate import Hit, Measured
from .rule import Rule

FIRING_MAX: Final = 1_000
"""Alerts of one rule that fire at once. Beyond it, further ones are counted on one alert for their service."""
KEEP_FOR: Final = timedelta(days=30)
KEEP_ALERTS: Final = 10_000
"""Resolved alerts and finished notifications are forgotten after 30 days, or when 10,000 newer alerts exist."""

_TIMES: Final = ("started_at", "last_at", "resolve_at", "due_at", "told_at", "ended_at")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far alerting has come."""

    evaluated_seq: int
    observed_since: datetime
    observed_at: datetime
    late: int


class State:
    """The life cycle of alerts, kept in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def progress(self) -> Progress | None:
        """Where the last transaction left off; None in a new file."""
        row = self._db.row("progress")
        if row is None:
            return None
        return Progress(row["evaluated_seq"], at(row["observed_since"]), at(row["observed_at"]), row["late"])

    def save_progress(self, progress: Progress) -> None:
        """Remember it."""
        self._db.change(
            "save_progress",
            evaluated_seq=progress.evaluated_seq,
            observed_since=progress.observed_since,
            observed_at=progress.observed_at,
            late=progress.late,
        )

    def observe(self, hit: Hit, now: datetime) -> None:
        """A match rule found events: a new alert, or more of one that fires."""
        rule, labels = hit.rule, hit.labels
        known = self._firing(rule, labels)
        if known is None and self._db.value("firing_of_rule", rule=rule.id) >= FIRING_MAX:
            labels = {name: value for name, value in labels.items() if name == "service"}
            known = self._firing(rule, labels)
        if known:
            self._save(known.seen_again(rule, hit.count, hit.last_at, now, hit.events))
            return
        self._open(rule, labels, hit.count, hit.first_at, hit.last_at, now, hit.events, ends_by_quiet=True)

    def measure(self, measured: Measured, now: datetime) -> None:
        """A window was counted: its alert opens, goes on, or is over."""
        rule = measured.rule
        known = self._firing(rule, {})
        if measured.holds and known:
            self._save(known.still_holds(rule, measured.count, now, measured.events))
        elif measured.holds:
            self._open(rule, {}, measured.count, now, now, now, measured.events, ends_by_quiet=False)
        elif known:
            self._resolve(known, now)

    def drop_windows_except(self, rules: Mapping[str, Rule], now: datetime) -> None:
        """Windows whose rule is gone can never be judged again: over, without a word."""
        for row in self._db.rows("firing_windows"):
            if row["rule"] not in rules:
                self._save(_alert(row).resolved(now))

    def held_windows(self) -> set[str]:
        """Rules whose window condition holds."""
        return {row["rule"] for row in self._db.rows("firing_windows")}

    def resolve_quiet(self, now: datetime) -> None:
        """Nothing more happened for long enough."""
        for row in self._db.rows("quiet", now=now):
            self._resolve(_alert(row), now)

    def tell_due(self, now: datetime) -> None:
        """First occurrences, and repeats whose interval is over, become transitions."""
        for row in self._db.rows("due", now=now):
            self._transition(_alert(row).told(now), now)

    def next_change(self) -> datetime | None:
        """When something happens by itself: a repeat, a quiet end, the end of collecting, an expiry."""
        return moment(self._db.value("next_change"))

    def newest(self, limit: int) -> Iterator[Alert]:
        """Alerts, those that fire first, each part newest first."""
        return map(_alert, self._db.rows("newest_alerts", limit=limit))

    def forget(self, now: datetime) -> None:
        """Keep the file small."""
        self._db.change("forget_letters", before=now - KEEP_FOR)
        self._db.change("forget_alerts", before=now - KEEP_FOR, keep=KEEP_ALERTS)
        self._db.change("forget_groups", before=now - timedelta(days=1))

    def collected(self, group: str) -> list[tuple[int, str, Alert]]:
        """What a group has to tell: transition number, its status, and the alert as it is now."""
        rows = self._db.rows("collected", group_key=group)
        return [(row["told_number"], row["told_status"], _alert(row)) for row in rows]

    def _firing(self, rule: Rule, labels: Mapping[str, str]) -> Alert | None:
        row = self._db.row("firing", identity=identity(rule.id, labels))
        return _alert(row) if row else None

    def _open(
        self,
        rule: Rule,
        labels: Mapping[str, str],
        count: int,
        started_at: datetime,
        last_at: datetime,
        now: datetime,
        events: Any,
        *,
        ends_by_quiet: bool,
    ) -> None:
        told_before = moment(self._db.value("told_before", identity=identity(rule.id, labels)))
        alert = opened(
            rule,
            labels,
            count=count,
            started_at=started_at,
            last_at=last_at,
            now=now,
            told_before=told_before,
            ends_by_quiet=ends_by_quiet,
            events=events,
        )
        self._save(alert)

    def _resolve(self, alert: Alert, now: datetime) -> None:
        over = alert.resolved(now)
        if over.number:
            self._transition(over, now)
        else:
            self._save(over)

    def _transition(self, alert: Alert, now: datetime) -> None:
        self._save(alert)
        self._db.change(
            "add_transition", alert=alert.id, number=alert.number, status=alert.status, at=now, group_key=alert.group
        )

    def _save(self, alert: Alert) -> None:
        self._db.change(
            "save_alert",
            id=alert.id,
            rule=alert.rule,
            identity=alert.identity,
            severity=alert.severity,
            labels=json.dumps(dict(alert.labels), ensure_ascii=False),
            why=alert.why,
            status=alert.status,
            count=alert.count,
            number=alert.number,
            events=json.dumps(list(alert.events), ensure_ascii=False),
            **{name: micros(getattr(alert, name)) for name in _TIMES},
        )


def _alert(row: sqlite3.Row) -> Alert:
    times: dict[str, Any] = {name: moment(row[name]) for name in _TIMES}
    return Alert(
        id=row["id"],
        rule=row["rule"],
        identity=row["identity"],
        severity=row["severity"],
        labels=json.loads(row["labels"]),
        why=row["why"],
        status=row["status"],
        count=row["count"],
        number=row["number"],
        events=json.loads(row["events"]),
        **times,
    )
