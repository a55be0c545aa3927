"""How the API shows rules, alerts and channels, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from sqlite3 import Row
from typing import Any, Final

from ..rows import iso
from ..services.failures import advice as known_advice
from .alert import Alert
from .content import describe
from .costs import Cost
from .database import moment
from .rule import Rule

_STATUS: Final = {"waiting": "waiting", "sending": "waiting", "sent": "sent", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Target:
    """What alerting must know of a channel: its name, whom it takes, how it speaks."""

    name: str
    type: str
    severity: int
    language: str
    digest: bool = True
    """Takes the daily digest."""
    verified: bool = True
    """Its peer's answers say whether a message was taken."""
    version: str = ""
    """Of its settings: a broken channel with others than those it broke with is tried again."""


def alert_view(
    alert: Alert, rule: Rule | None, notifications: Sequence[Row], *, language: str, zone: tzinfo
) -> dict[str, Any]:
    """An alert, and what became of its messages."""
    title, told = describe(alert, rule, language=language, zone=zone)
    runs = [event["workflow_id"] for event in alert.events if event.get("workflow_id")]
    groups = [event["error_group"] for event in alert.events if event.get("error_group")]
    group = alert.labels.get("error_group") or next(iter(groups), None)
    known = known_advice(group, language) if group else None
    return {
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity,
        "status": alert.status,
        "title": title,
        "text": told,
        "why": alert.why,
        "labels": dict(alert.labels),
        "count": alert.count,
        "value": alert.value,
        "started_at": iso(alert.started_at),
        "last_at": iso(alert.last_at),
        "ended_at": iso(alert.ended_at) if alert.ended_at else None,
        "run": next(iter(runs), None),
        "error_group": group,
        "acknowledged": {"at": iso(alert.acknowledged_at), "by": alert.acknowledged_by}
        if alert.acknowledged_at
        else None,
        "escalated": alert.escalated,
        "flapping": alert.flapping,
        "muted": {
            "by": alert.muted.by,
            "ref": alert.muted.ref,
            "until": iso(alert.muted.until) if alert.muted.until else None,
        }
        if alert.muted
        else None,
        "advice": {"cause": known.cause, "advice": known.advice} if known else None,
        "notifications": [notification_view(row) for row in notifications],
    }


def notification_view(row: Row) -> dict[str, Any]:
    """What became of one message on one channel."""
    return {
        "channel": row["channel"],
        "status": _STATUS[row["status"]],
        "at": _time(row["at"]),
        "answer": row["answer"],
    }


def transition_view(row: Row) -> dict[str, Any]:
    """A change of an alert: told, or why not."""
    return {
        "number": row["number"],
        "status": row["status"],
        "at": _time(row["at"]),
        "muted": row["muted"],
        "ref": row["ref"],
        "severity": row["severity"],
        "kind": row["kind"],
    }


def attempt_view(row: Row) -> dict[str, Any]:
    """One try to deliver a message; without an outcome a crash left it in doubt."""
    return {
        "started_at": _time(row["started_at"]),
        "finished_at": _time(row["finished_at"]),
        "outcome": row["outcome"],
        "answer": row["answer"],
    }


def channel_view(target: Target, row: Row | None, counts: Row, *, used: bool) -> dict[str, Any]:
    """A channel: how it stands, when it last worked, when it did not, and what it last said. `used`: some rule may tell
    it something."""
    known: dict[str, Any] = dict(row) if row else {}
    paused = known.get("failures") or known.get("paused_until")
    state = "broken" if known.get("broken_at") else "waiting" if counts["waiting"] and paused else "ok"
    return {
        "name": target.name,
        "type": target.type,
        "severity": target.severity,
        "language": target.language,
        "digest": target.digest,
        "state": "unused" if state == "ok" and not used else state,
        "last_success_at": _time(known.get("last_success_at")),
        "last_failure_at": _time(known.get("last_failure_at")),
        "last_answer": known.get("last_answer"),
        "waiting": counts["waiting"],
        "sent_24h": counts["sent"],
        "failed_24h": counts["failed"],
        "broken_at": _time(known.get("broken_at")),
        "verified": target.verified,
    }


def rule_view(
    rule: Rule, *, state: str, error: str | None, counts: Mapping[str, Any], cost: Cost | None
) -> dict[str, Any]:
    """A rule as the file would write it, and how it stands. `counts`: `firing`, `pending`, `last_fired_at` (us)."""
    firing, pending = counts.get("firing") or 0, counts.get("pending") or 0
    alive = "firing" if firing else "pending" if pending else state
    cost = cost or Cost()
    return rule.model_dump(mode="json", by_alias=True) | {
        "state": "off" if not rule.enabled else state if state in {"error", "no_data"} else alive,
        "error": error,
        "firing": firing,
        "last_fired_at": _time(counts.get("last_fired_at")),
        "cost": {
            "judged": cost.judged,
            "mean_ms": round(cost.mean_ms, 3),
            "total_ms": round(cost.total_ms, 3),
            "slowed": cost.slowed,
        },
        "window": not str(rule.when).startswith("any "),
    }


def _time(micros: int | None) -> str | None:
    at = moment(micros)
    return iso(at) if at else None
