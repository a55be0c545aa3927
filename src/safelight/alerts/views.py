"""How the API shows rules, alerts and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from sqlite3 import Row
from typing import Any, Final

from ..rows import iso
from .alert import Alert
from .content import describe
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


def alert_view(
    alert: Alert, rule: Rule | None, notifications: Sequence[Row], *, language: str, zone: tzinfo
) -> dict[str, Any]:
    """An alert, and what became of its messages."""
    title, told = describe(alert, rule, language=language, zone=zone)
    return {
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity,
        "status": alert.status,
        "title": title,
        "text": told,
        "labels": dict(alert.labels),
        "count": alert.count,
        "started_at": iso(alert.started_at),
        "last_at": iso(alert.last_at),
        "ended_at": iso(alert.ended_at) if alert.ended_at else None,
        "notifications": [
            {
                "channel": row["channel"],
                "status": _STATUS[row["status"]],
                "at": _time(row["at"]),
                "answer": row["answer"],
            }
            for row in notifications
        ],
    }


def channel_view(target: Target, row: Row | None) -> dict[str, Any]:
    """A channel: when it last worked, when it did not, and what it last said."""
    return {
        "name": target.name,
        "type": target.type,
        "last_success_at": _time(row["last_success_at"]) if row else None,
        "last_failure_at": _time(row["last_failure_at"]) if row else None,
        "last_answer": row["last_answer"] if row else None,
    }


def rule_view(rule: Rule) -> dict[str, Any]:
    """A rule as it is configured."""
    return {"id": rule.id, "when": str(rule.when), "severity": rule.severity}


def _time(micros: int | None) -> str | None:
    at = moment(micros)
    return iso(at) if at else None
