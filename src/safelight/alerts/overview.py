"""What the API shows of alerting: alerts page by page, one alert with its whole story, rules, channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from ..errors import InputError, QueryError, SafelightError
from ..query.sql import Span, Sql
from ..store import Store
from .alert import Alert
from .content import links
from .content.around import around
from .costs import Cost
from .database import Database
from .evaluate import brief
from .life import Life
from .outbox import Outbox
from .repairs import Repairs
from .rule import Rule
from .state import alert_of
from .views import (
    Target,
    alert_view,
    attempt_view,
    channel_view,
    notification_view,
    rule_view,
    transition_view,
)

NOTIFICATIONS_SHOWN: Final = 20
STORY_MAX: Final = 200
"""Messages of one alert that are shown with their attempts."""
LINES_MAX: Final = 20
LINES_BEFORE: Final = timedelta(seconds=60)
LINES_AFTER: Final = timedelta(seconds=30)
LINES_TIMEOUT_S: Final = 2.0
DAY: Final = timedelta(hours=24)
STATUSES: Final = ("firing", "pending", "resolved")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts."""

    statuses: Sequence[str] = STATUSES
    severity: int | None = None
    rule: str | None = None
    service: str | None = None
    q: str | None = None
    """What the rule, the labels or the example events contain."""
    limit: int = 50
    cursor: str | None = None
    """Where the page before ended."""


class Overview:
    """Reads only; safe from any thread."""

    def __init__(
        self, database: Database, store: Store, life: Life, outbox: Outbox, repairs: Repairs, *, dry_run: bool
    ) -> None:
        self._db = database
        self._store = store
        self._life = life
        self._outbox = outbox
        self._repairs = repairs
        self._dry_run = dry_run

    def alerts(self, wanted: Wanted, language: str, zone: tzinfo) -> dict[str, Any]:
        """A page of alerts, those that fire first. Raises InputError for a cursor that is none of ours."""
        rows = self._life.state.page(
            limit=wanted.limit + 1,
            statuses=wanted.statuses,
            severity=wanted.severity,
            rule=wanted.rule,
            service=wanted.service,
            q=wanted.q,
            after=_position(wanted.cursor),
        )
        shown = rows[: wanted.limit]
        last = shown[-1] if len(rows) > wanted.limit else None
        return {
            "alerts": [self._view(alert_of(row), language, zone) for row in shown],
            "counts": dict(self._db.rows("alert_counts")[0]),
            "cursor": f"{last['rank']}.{last['last_at']}.{last['position']}" if last else None,
        }

    def alert(self, id_: str, language: str, zone: tzinfo, base_url: str | None) -> dict[str, Any] | None:
        """One alert with its whole story; None for an unknown one."""
        alert = self._life.state.alert(id_)
        if alert is None:
            return None
        rule = self._life.rules.get(alert.rule)
        seen = around(self._store, alert, alert.id)
        return self._view(alert, language, zone) | {
            "transitions": [transition_view(row) for row in self._db.rows("transitions_of", alert=id_)],
            "notifications": [
                notification_view(row)
                | {
                    "may_repeat": bool(row["may_repeat"]),
                    "title": row["title"],
                    "attempts": [attempt_view(one) for one in self._db.rows("attempts_of", id=row["id"])],
                }
                for row in self._db.rows("notifications_of", alert=id_, limit=STORY_MAX)
            ],
            "repairs": [one.view(language, dry_run=self._dry_run) for one in self._repairs.newest(id_)],
            "events": list(alert.events),
            "lines": list(self._lines(alert)),
            "chart": seen.chart,
            "links": links([alert], rule, base_url),
        }

    def channels(self, targets: Sequence[Target], now: datetime) -> list[dict[str, Any]]:
        """How each stands, when it last worked and what it last answered."""
        return [
            channel_view(
                target,
                self._outbox.channel(target.name),
                self._db.rows("channel_counts", channel=target.name, since=now - DAY)[0],
                used=any(takes(target, rule) for rule in self._life.rules.values()),
            )
            for target in targets
        ]

    def rules(
        self,
        rules: Sequence[Rule],
        states: Mapping[str, str],
        problems: Mapping[str, QueryError],
        costs: Mapping[str, Cost],
        language: str,
    ) -> list[dict[str, Any]]:
        """Each as it is configured, and how it stands."""
        counts = {row["rule"]: dict(row) for row in self._db.rows("rule_counts")}
        return [
            rule_view(
                rule,
                state=states.get(rule.id, "ok"),
                error=problems[rule.id].render(language) if rule.id in problems else None,
                counts=counts.get(rule.id, {}),
                cost=costs.get(rule.id),
            )
            for rule in rules
        ]

    def _view(self, alert: Alert, language: str, zone: tzinfo) -> dict[str, Any]:
        rows = self._db.rows("notifications_of", alert=alert.id, limit=NOTIFICATIONS_SHOWN)
        return alert_view(alert, self._life.rules.get(alert.rule), rows, language=language, zone=zone)

    def _lines(self, alert: Alert) -> Iterator[dict[str, Any]]:
        """Events of the same run, or else instance, around the first one: 14 up to it and what follows."""
        first: Mapping[str, Any] = alert.events[0] if alert.events else {}
        column = next((name for name in ("workflow_id", "instance") if first.get(name)), None)
        if column is None or not first.get("timestamp"):
            return
        same = Sql(f"{column} = ?", (first[column],))
        with suppress(SafelightError, ValueError):
            at = datetime.fromisoformat(str(first["timestamp"]))
            until = at + timedelta(microseconds=1)
            before = self._store.newest(
                same, Span(at - LINES_BEFORE, until), limit=LINES_MAX - 6, timeout_s=LINES_TIMEOUT_S
            ).to_pylist()
            after = self._store.oldest(
                same, Span(until, at + LINES_AFTER), limit=LINES_MAX - len(before), timeout_s=LINES_TIMEOUT_S
            ).to_pylist()
            yield from map(brief, [*reversed(before), *after])


def takes(target: Target, rule: Rule | None, severity: int | None = None) -> bool:
    """Whether a channel is told of a rule's alerts. `severity`: what they are told as."""
    if rule is None:
        return severity is not None and severity >= target.severity
    gravest = max(rule.severity, rule.escalate.severity if rule.escalate else 0) if severity is None else severity
    named = rule.channels is None or target.name in rule.channels
    return named and gravest >= target.severity and not rule.shadow


def _position(cursor: str | None) -> tuple[int, int, int] | None:
    if not cursor:
        return None
    try:
        rank, last, position = map(int, cursor.split("."))
    except ValueError as error:
        raise InputError("alerts.cursor", cursor=cursor[:50]) from error
    return rank, last, position
