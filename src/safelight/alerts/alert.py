"""One alert and its life: opened, seen again, told, resolved. Pure: every step returns a new alert.

    opened ──told──▶ firing (told) ──seen again──▶ due again after `repeat` ──told──▶ ...
       └──────────────┴── nothing more for `resolve_after`, or the condition no longer holds ──▶ resolved

The same alert (rule and labels) is told at most once per `repeat`, also when it resolves and fires again in between;
what happens meanwhile is counted. An alert that was never told resolves without a word.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .notification import FIRING, RESOLVED
from .rule import Rule

EVENTS_KEPT = 3
"""Examples an alert carries: its first events and its newest one."""


def identity(rule: str, labels: Mapping[str, str]) -> str:
    """What makes two occurrences the same alert."""
    return hashlib.sha256(json.dumps([rule, sorted(labels.items())]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Alert:
    """An episode of one alert. `started_at` and `last_at` are times of events, all others ours."""

    id: str
    rule: str
    identity: str
    severity: int
    labels: Mapping[str, str]
    why: str
    status: str
    count: int
    number: int
    """Transitions so far: 0 until it is told for the first time."""
    started_at: datetime
    last_at: datetime
    resolve_at: datetime | None
    """When it is over if nothing more happens; None while a window's condition decides."""
    due_at: datetime | None
    """When there is something to tell."""
    told_at: datetime | None
    ended_at: datetime | None
    events: Sequence[Mapping[str, Any]]

    @property
    def group(self) -> str:
        """What is collected into one message: the same rule and service."""
        return json.dumps([self.rule, self.labels.get("service")])

    def seen_again(self, rule: Rule, count: int, last_at: datetime, now: datetime, events: Sequence[Any]) -> Alert:
        """It happened `count` times more."""
        return replace(
            self,
            severity=rule.severity,
            count=self.count + count,
            last_at=max(self.last_at, last_at),
            resolve_at=now + rule.resolve_after,
            due_at=self.due_at or (max(now, self.told_at + rule.repeat) if self.told_at else now),
            events=_merged(self.events, events),
        )

    def still_holds(self, rule: Rule, count: int, now: datetime, events: Sequence[Any]) -> Alert:
        """The window's condition is still true, with this count. Nothing new to tell."""
        return replace(self, severity=rule.severity, count=count, last_at=now, events=events)

    def told(self, now: datetime) -> Alert:
        """What there was to tell is on its way."""
        return replace(self, number=self.number + 1, due_at=None, told_at=now)

    def resolved(self, now: datetime) -> Alert:
        """Over. A transition only where somebody heard of it."""
        number = self.number + 1 if self.number else 0
        return replace(self, status=RESOLVED, number=number, due_at=None, resolve_at=None, ended_at=now)


def opened(
    rule: Rule,
    labels: Mapping[str, str],
    *,
    count: int,
    started_at: datetime,
    last_at: datetime,
    now: datetime,
    told_before: datetime | None,
    ends_by_quiet: bool,
    events: Sequence[Any],
) -> Alert:
    """A new episode. `told_before`: when an earlier episode of the same alert was last told."""
    return Alert(
        id=secrets.token_hex(8),
        rule=rule.id,
        identity=identity(rule.id, labels),
        severity=rule.severity,
        labels=labels,
        why=str(rule.when),
        status=FIRING,
        count=count,
        number=0,
        started_at=started_at,
        last_at=last_at,
        resolve_at=now + rule.resolve_after if ends_by_quiet else None,
        due_at=max(now, told_before + rule.repeat) if told_before else now,
        told_at=None,
        ended_at=None,
        events=_merged((), events),
    )


def _merged(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    known = {event.get("id") for event in old}
    events = [*old, *(event for event in new if event.get("id") not in known)]
    return events if len(events) <= EVENTS_KEPT else [*events[: EVENTS_KEPT - 1], events[-1]]
