"""One alert and its life: pending, firing, told, told again, resolved. Pure: every step returns a new alert.

    pending ──held for `lasting`──▶ firing ──told──▶ seen again ──told, `repeat` later──▶ ...
       └─▶ never was                   └── nothing more for `resolve_after`, or no condition holds it, or an event that
                                           matches the rule's `clear` ──▶ resolved

The same alert (rule and labels) is told at most once per `repeat`, also when it resolves and fires again in between;
what happens meanwhile is counted. What merely lasts, by its condition or until its `clear`, is told once. An alert
that was never told resolves without a word.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .notification import FIRING, PENDING, RESOLVED
from .rule import Rule

EVENTS_KEPT = 3
"""Examples an alert carries: its first events and its newest one."""


def identity(rule: str, labels: Mapping[str, str]) -> str:
    """What makes two occurrences the same alert."""
    return hashlib.sha256(json.dumps([rule, sorted(labels.items())]).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Mute:
    """Why nobody is told."""

    by: str
    """`silence`, `inhibited`, `quiet_hours`, `flapping`, `shadow` or `acknowledged`."""
    ref: str | None = None
    """The silence, or the alert that inhibits."""
    until: datetime | None = None
    """When it is decided again, if that is known."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An episode of one alert. `started_at` and `last_at` are times of events, all others ours."""

    id: str
    rule: str
    identity: str
    severity: int
    """The rule's; higher once it was escalated."""
    labels: Mapping[str, str]
    why: str
    status: str
    count: int
    number: int
    """Transitions so far: 0 until the first one."""
    started_at: datetime
    last_at: datetime
    resolve_at: datetime | None
    """When it is over if nothing more happens; None while a standing condition or the rule's `clear` decides."""
    due_at: datetime | None
    """When there is something to tell."""
    told_at: datetime | None
    ended_at: datetime | None
    events: Sequence[Mapping[str, Any]]
    standing: bool = False
    """Ends when its condition no longer holds, and not by quiet."""
    value: float | None = None
    """The figure that the condition is about."""
    heard: bool = False
    """Somebody was told that it fires."""
    fires_at: datetime | None = None
    """When a pending one becomes firing."""
    fired_at: datetime | None = None
    escalate_at: datetime | None = None
    escalated: bool = False
    flapping: bool = False
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    muted: Mute | None = None
    """Why nobody was told of the newest change."""

    @property
    def group(self) -> str:
        """What is collected into one message: the same rule and service."""
        return json.dumps([self.rule, self.labels.get("service")])

    def seen_again(
        self,
        rule: Rule,
        count: int,
        last_at: datetime,
        now: datetime,
        events: Sequence[Any],
        value: float | None = None,
    ) -> Alert:
        """It happened `count` times more."""
        due_at = self.due_at
        if due_at is None and self.status == FIRING and not self._decided:
            due_at = max(now, self.told_at + rule.repeat) if self.told_at else now
        return replace(
            self,
            severity=self._severity(rule),
            count=self.count + count,
            last_at=max(self.last_at, last_at),
            resolve_at=_over_at(rule, self.status, now),
            due_at=due_at,
            events=_merged(self.events, events),
            value=self.value if value is None else value,
        )

    def still_holds(self, rule: Rule, count: int, now: datetime, events: Sequence[Any], value: float | None) -> Alert:
        """The condition is still true, with these figures. Nothing new to tell."""
        return replace(
            self, severity=self._severity(rule), count=count, last_at=now, events=events or self.events, value=value
        )

    def fired(self, now: datetime, due_at: datetime, rule: Rule) -> Alert:
        """It was pending for long enough."""
        resolve_at = None if self.standing else self.resolve_at and max(self.resolve_at, now + rule.resolve_after)
        return replace(self, status=FIRING, fires_at=None, fired_at=now, due_at=due_at, resolve_at=resolve_at)

    def told(self, now: datetime, rule: Rule | None = None) -> Alert:
        """What there was to tell is on its way."""
        escalate_at = self.escalate_at
        if rule and rule.escalate and not (self.heard or self.escalated or self.acknowledged_at):
            escalate_at = now + rule.escalate.after
        return replace(
            self, number=self.number + 1, due_at=None, told_at=now, heard=True, muted=None, escalate_at=escalate_at
        )

    def hushed(self, mute: Mute) -> Alert:
        """There was something to tell, and nobody is told. One transition for as long as the reason stays the same."""
        known = self.number > 0 and self.muted is not None and (self.muted.by, self.muted.ref) == (mute.by, mute.ref)
        again = not self.heard and mute.by not in {"quiet_hours", "flapping"}  # those are told of in their own way
        due_at = mute.until if again else None
        return replace(self, number=self.number if known else self.number + 1, due_at=due_at, muted=mute)

    def unmuted(self, now: datetime) -> Alert:
        """The reason is gone; what nobody ever heard of is due."""
        waits = self.due_at is not None and not (self.muted and self.due_at == self.muted.until)
        tell = self.status == FIRING and not self.heard and not waits
        return replace(self, muted=None, due_at=now if tell else self.due_at)

    def raised(self, severity: int, now: datetime) -> Alert:
        """Nobody acknowledged it in time."""
        return replace(self, severity=max(self.severity, severity), escalated=True, escalate_at=None, due_at=now)

    def acknowledged(self, by: str, now: datetime) -> Alert:
        """Somebody looks after it: no repeats, no escalation."""
        return replace(self, acknowledged_at=now, acknowledged_by=by, escalate_at=None)

    def unacknowledged(self, now: datetime, rule: Rule | None) -> Alert:
        """Nobody does after all."""
        escalate = rule.escalate if rule and not self.escalated else None
        muted = self.muted if self.muted is None or self.muted.by != "acknowledged" else None
        alert = replace(self, acknowledged_at=None, acknowledged_by=None, muted=muted)
        return replace(alert, escalate_at=now + escalate.after if escalate and self.heard else None)

    def resolved(self, now: datetime) -> Alert:
        """Over."""
        return replace(
            self, status=RESOLVED, due_at=None, resolve_at=None, fires_at=None, escalate_at=None, ended_at=now
        )

    @property
    def _decided(self) -> bool:
        """Whether it needs no new decision before the reason of the last one is gone."""
        return self.muted is not None and self.muted.by in {"quiet_hours", "shadow", "acknowledged", "flapping"}

    def _severity(self, rule: Rule) -> int:
        return max(rule.severity, self.severity) if self.escalated else rule.severity


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
    value: float | None = None,
) -> Alert:
    """A new episode. `told_before`: when an earlier episode of the same alert was last told."""
    status = PENDING if rule.lasting else FIRING
    return Alert(
        id=secrets.token_hex(8),
        rule=rule.id,
        identity=identity(rule.id, labels),
        severity=rule.severity,
        labels=labels,
        why=str(rule.when),
        status=status,
        count=count,
        number=0,
        started_at=started_at,
        last_at=last_at,
        resolve_at=_over_at(rule, status, now) if ends_by_quiet else None,
        due_at=None if rule.lasting else first_due(rule, now, told_before),
        told_at=None,
        ended_at=None,
        events=_merged((), events),
        standing=not ends_by_quiet,
        value=value,
        fires_at=now + rule.lasting if rule.lasting else None,
        fired_at=None if rule.lasting else now,
    )


def first_due(rule: Rule, now: datetime, told_before: datetime | None) -> datetime:
    """When a new episode is to be told."""
    return max(now, told_before + rule.repeat) if told_before else now


def _over_at(rule: Rule, status: str, now: datetime) -> datetime | None:
    """When a match is over if nothing more happens; one that is pending must not pause for as long as it is to last.
    None where events end it."""
    if rule.clear is not None:
        return None
    if status == PENDING and rule.lasting:
        return now + min(rule.resolve_after, rule.lasting)
    return now + rule.resolve_after


def _merged(old: Sequence[Any], new: Sequence[Any]) -> Sequence[Any]:
    if not new:
        return old
    known = {event.get("id") for event in old}
    events = [*old, *(event for event in new if event.get("id") not in known)]
    return events if len(events) <= EVENTS_KEPT else [*events[: EVENTS_KEPT - 1], events[-1]]
