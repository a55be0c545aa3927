"""Many alerts, few messages: what belongs to the same rule and service is collected.

The first alert of a group is told at once; what follows within 10 s of any message of the group waits for the end of
those 10 s and becomes one message (one more for what was resolved meanwhile). Severity 3 waits for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from .alert import Alert
from .database import Database
from .notification import FIRING, RESOLVED
from .state import State

COLLECT: Final = timedelta(seconds=10)

USUAL: Final = "usual"
ESCALATED: Final = "escalated"
"""Nobody acknowledged it in time."""
FLAPPING: Final = "flapping"
"""It fires and resolves again and again; no more of it until it is stable."""
STABLE: Final = "stable"
"""It flapped, and this is how it stands."""
OVERNIGHT: Final = "overnight"
"""What quiet hours held back."""
KINDS: Final = (USUAL, ESCALATED, FLAPPING, STABLE)


@dataclass(frozen=True, slots=True)
class Message:
    """What is told at once. `key` names the first transition in it."""

    key: str
    group: str
    status: str
    alerts: tuple[Alert, ...]
    kind: str = USUAL

    @property
    def severity(self) -> int:
        """The highest of its alerts."""
        return max(alert.severity for alert in self.alerts)


def ripe(database: Database, state: State, now: datetime, collect: timedelta = COLLECT) -> Iterator[Message]:
    """The messages whose time has come, oldest first. Closes them; part of the caller's transaction."""
    for row in database.rows("ripe_groups", now=now):
        group = row["group_key"]
        waiting = state.collected(group)
        for status, kind in [(status, kind) for status in (FIRING, RESOLVED) for kind in KINDS]:
            transitions = [(number, alert) for number, *what, alert in waiting if what == [status, kind]]
            if not transitions:
                continue
            number, first = transitions[0]
            key = f"{first.id}.{number}"
            for told, alert in transitions:
                database.change("close_message", message=key, alert=alert.id, number=told)
            alerts = {alert.id: alert for _, alert in transitions}
            yield Message(key, group, status, tuple(alerts.values()), kind)
        database.change("open_group", key=group, open_until=now + collect)
