"""What quiet hours held back, told in one message at their end, or as soon after it as we can.

Part of the caller's transaction. What somebody acknowledged or silenced since is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .alert import Alert
from .database import Database, micros
from .group import OVERNIGHT, Message
from .mutes import Mutes
from .notification import FIRING, RESOLVED
from .rule import Rule
from .state import State


def morning(mutes: Mutes, since: datetime) -> datetime:
    """When what is held since then is told."""
    return mutes.quiet_until(since) or since


def overnight(
    database: Database, state: State, mutes: Mutes, rules: Mapping[str, Rule], now: datetime
) -> list[Message]:
    """The message, if there is anything to tell. Of its alerts that fire, that they were told is written down."""
    key = f"overnight.{micros(now)}"
    listed = []
    for alert in state.held_over():
        over = alert.status == RESOLVED
        why = mutes.reason_when_over if over else mutes.reason
        mute = why(alert, now, quiet=False)
        left_out = mute or (over and alert.acknowledged_at)
        database.change("close_held", alert=alert.id, message="" if left_out else key)
        if mute and not over:
            hushed = alert.hushed(mute)
            state.save(hushed, alert)
            state.record(hushed, now, mute=mute)
        elif not left_out:
            listed.append(alert if over else _told(database, state, alert, rules.get(alert.rule), key, now))
    if not listed:
        return []
    status = FIRING if any(alert.status == FIRING for alert in listed) else RESOLVED
    return [Message(key, OVERNIGHT, status, tuple(listed), OVERNIGHT)]


def _told(database: Database, state: State, alert: Alert, rule: Rule | None, key: str, now: datetime) -> Alert:
    told = alert.told(now, rule)
    state.save(told, alert)
    state.record(told, now, kind=OVERNIGHT)
    database.change("close_message", message=key, alert=told.id, number=told.number)
    return told
