"""What alerting knows: how far it has judged, which alerts are pending or fire, what has changed.

Everything here happens inside the caller's transaction, so that it is committed together with the outbox. Alerts that
are not over are kept in memory too (1,000 of them take about 5 MB); `reload` after a transaction that came to nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .alert import Alert, Mute, identity
from .database import Database, at, micros, moment
from .debts import Debt
from .notification import FIRING, RESOLVED

KEEP_FOR: Final = timedelta(days=30)
KEEP_ALERTS: Final = 10_000
"""Resolved alerts and finished notifications are forgotten after 30 days, or when 10,000 newer alerts exist."""

_TIMES: Final = (
    "started_at", "last_at", "fires_at", "fired_at", "resolve_at", "due_at", "told_at", "escalate_at", "ended_at",
    "acknowledged_at",
)  # fmt: skip
_PLAIN: Final = ("id", "rule", "identity", "severity", "why", "status", "count", "number", "value", "acknowledged_by")
_FLAGS: Final = ("standing", "heard", "escalated", "flapping")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far alerting has come."""

    evaluated_seq: int
    observed_since: datetime
    observed_at: datetime
    late: int


class State:
    """Alerts and their transitions, kept in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._live: dict[str, Alert] = {}
        self._by_rule: dict[str, dict[str, Alert]] = {}
        self.reload()

    def reload(self) -> None:
        """Read what is written: at the start, and after a transaction that was rolled back."""
        self._live.clear()
        self._by_rule.clear()
        for row in self._db.rows("live"):
            self._remember(alert_of(row))

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

    def debts(self) -> dict[str, Debt]:
        """What match rules owe."""
        return {
            row["rule"]: Debt(row["after_seq"], at(row["since"]), at(row["stuck_since"]), at(row["stuck_since"]))
            for row in self._db.rows("debts")
        }

    def save_debts(self, debts: Mapping[str, Debt]) -> None:
        """Remember it."""
        self._db.change("forget_debts")
        for rule, debt in debts.items():
            about = {"after_seq": debt.after_seq, "since": debt.since, "stuck_since": debt.stuck_since}
            self._db.change("add_debt", rule=rule, **about)

    def live(self, rule: str, labels: Mapping[str, str]) -> Alert | None:
        """The alert of this rule and labels that is pending or fires."""
        return self._live.get(identity(rule, labels))

    def live_as(self, identity_: str) -> Alert | None:
        """The same by its identity."""
        return self._live.get(identity_)

    def of_rule(self, rule: str) -> list[Alert]:
        """Alerts of a rule that are pending or fire, in the order in which they began."""
        return list(self._by_rule.get(rule, {}).values())

    def count_of(self, rule: str) -> int:
        """How many those are."""
        return len(self._by_rule.get(rule, ()))

    def all_live(self) -> list[Alert]:
        """Alerts that are pending or fire."""
        return list(self._live.values())

    def firing_of(self, rules: Iterable[str]) -> list[Alert]:
        """Alerts of these rules that fire."""
        return [alert for rule in sorted(rules) for alert in self.of_rule(rule) if alert.status == FIRING]

    def held(self) -> dict[str, list[frozenset[tuple[str, str]]]]:
        """By rule: the labels of its alerts that fire until their condition no longer holds. `clear` says nothing of
        one that is pending."""
        return {
            rule: found
            for rule, alerts in self._by_rule.items()
            if (found := [frozenset(alert.labels.items()) for alert in alerts.values() if _fires_on(alert)])
        }

    def add(self, alert: Alert) -> None:
        """A new one."""
        values = _values(alert)
        self._db.change("add_alert", **values, events=_json(alert.events))
        self._remember(alert)

    def save(self, alert: Alert, before: Alert | None = None) -> None:
        """As it is now. `before`: as it was, so that what it carries is written again only when it changed."""
        same = before is not None and before.events is alert.events
        self._db.change("save_alert", **_values(alert), events=None if same else _json(alert.events))
        self._remember(alert)

    def drop(self, alert: Alert) -> None:
        """As if it had never been: a pending one that came to nothing."""
        self._db.change("drop_alert", id=alert.id)
        self._forget(alert)

    def record(
        self, alert: Alert, now: datetime, *, status: str | None = None, kind: str = "usual", mute: Mute | None = None
    ) -> None:
        """Its newest transition: to be told, or muted."""
        self._db.change(
            "add_transition",
            alert=alert.id,
            number=alert.number,
            status=status or alert.status,
            at=now,
            group_key=alert.group,
            severity=alert.severity,
            kind=kind,
            muted=mute.by if mute else None,
            ref=mute.ref if mute else None,
        )

    def reached(self, what: str, now: datetime) -> list[Alert]:
        """Alerts whose time has come: `due`, `quiet`, `ready` (to fire), `unanswered`."""
        identities = [row["identity"] for row in self._db.rows(what, now=now)]
        return [alert for one in identities if (alert := self._live.get(one))]

    def last_mute(self, alert: Alert) -> Mute | None:
        """Why nobody was told of it the last time that nobody was."""
        row = self._db.row("last_mute", alert=alert.id)
        return Mute(row["muted"], row["ref"]) if row else None

    def told_before(self, identity_: str) -> datetime | None:
        """When any episode of it was last told."""
        return moment(self._db.value("told_before", identity=identity_))

    def last_episode(self, identity_: str) -> Alert | None:
        """The newest, whatever became of it."""
        row = self._db.row("last_episode", identity=identity_)
        return alert_of(row) if row else None

    def changes_of(self, identity_: str, since: datetime) -> int:
        """How often it began or ended since."""
        return int(self._db.value("changes_of", identity=identity_, since=since))

    def coming(self) -> dict[str, datetime]:
        """When something next happens by itself, by what it is: `due`, `quiet`, `ready`, `unanswered`, `stable`,
        `collected`, `held` (since when), `silences`. Those to which nothing will happen are left out."""
        (row,) = self._db.rows("coming")
        return {name: at(row[name]) for name in row.keys() if row[name] is not None}  # noqa: SIM118 - no mapping

    def newest(self, limit: int) -> Iterator[Alert]:
        """Alerts: those that fire first, then the pending ones, each part newest first."""
        return map(alert_of, self.page(limit=limit))

    def page(
        self,
        *,
        limit: int,
        statuses: Iterable[str] = ("firing", "pending", "resolved"),
        severity: int | None = None,
        rule: str | None = None,
        service: str | None = None,
        q: str | None = None,
        after: tuple[int, int, int] | None = None,
    ) -> list[sqlite3.Row]:
        """The same, only those that are asked for; `after` is where a page ended: rank, last_at, position."""
        wanted = set(statuses)
        escaped = None if not q else "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rank, last, position = after or (None, None, None)
        return self._db.rows(
            "alerts",
            limit=limit,
            severity=severity,
            rule=rule,
            service=service,
            q=escaped,
            rank_after=rank,
            last_after=None if last is None else -last,
            position_after=None if position is None else -position,
            **{status: status in wanted for status in ("firing", "pending", "resolved")},
        )

    def alert(self, id_: str) -> Alert | None:
        """By its id."""
        row = self._db.row("alert", id=id_)
        return alert_of(row) if row else None

    def forget(self, now: datetime) -> None:
        """Keep the file small."""
        self._db.change("forget_letters", before=now - KEEP_FOR)
        self._db.change("forget_alerts", before=now - KEEP_FOR, keep=KEEP_ALERTS)
        self._db.change("forget_groups", before=now - timedelta(days=1))
        self._db.change("forget_silences", before=now - KEEP_FOR)
        self._db.change("forget_announcements", before=now - KEEP_FOR)

    def rewind(self, by: timedelta, now: datetime) -> None:
        """The clock was set back: what is to come stays as far away as it was, and nothing lies in the future."""
        for name in ("alerts", "groups", "flaps", "transitions", "outbox", "channels", "attempts"):
            self._db.change(f"rewind_{name}", by=by // timedelta(microseconds=1), now=now)
        self.reload()

    def collected(self, group: str) -> list[tuple[int, str, str, Alert]]:
        """What a group has to tell: transition number, its status and kind, and the alert as it is now."""
        rows = self._db.rows("collected", group_key=group)
        return [(row["told_number"], row["told_status"], row["told_kind"], alert_of(row)) for row in rows]

    def held_over(self) -> list[Alert]:
        """What quiet hours kept back."""
        return [alert_of(row) for row in self._db.rows("held_over")]

    def _remember(self, alert: Alert) -> None:
        if alert.status == RESOLVED:
            self._forget(alert)
        else:
            self._live[alert.identity] = alert
            self._by_rule.setdefault(alert.rule, {})[alert.identity] = alert

    def _forget(self, alert: Alert) -> None:
        known = self._live.get(alert.identity)
        if known is not None and known.id == alert.id:
            del self._live[alert.identity]
            del self._by_rule[alert.rule][alert.identity]


def _fires_on(alert: Alert) -> bool:
    return alert.standing and alert.status == FIRING


def _json(value: Any) -> str:
    return json.dumps(list(value), ensure_ascii=False)


def _values(alert: Alert) -> dict[str, Any]:
    mute = alert.muted
    values: dict[str, Any] = {name: getattr(alert, name) for name in _PLAIN}
    values |= {name: int(getattr(alert, name)) for name in _FLAGS}
    values |= {name: micros(getattr(alert, name)) for name in _TIMES}
    values["labels"] = json.dumps(dict(alert.labels), ensure_ascii=False)
    values["muted_by"], values["muted_ref"] = (mute.by, mute.ref) if mute else (None, None)
    values["muted_until"] = micros(mute.until) if mute else None
    return values


def alert_of(row: sqlite3.Row) -> Alert:
    """The alert that a row of `alerts` holds."""
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    values |= {name: bool(row[name]) for name in _FLAGS}
    values |= {name: moment(row[name]) for name in _TIMES}
    muted = Mute(row["muted_by"], row["muted_ref"], moment(row["muted_until"])) if row["muted_by"] else None
    return Alert(**values, labels=json.loads(row["labels"]), events=json.loads(row["events"]), muted=muted)
