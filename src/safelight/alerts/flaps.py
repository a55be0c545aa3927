"""Alerts that begin and end again and again: said once, and then no more until they are stable."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from .database import Database, at
from .state import State

CHANGES: Final = 4
WITHIN: Final = timedelta(minutes=30)
"""An alert that began or ended four times within 30 min flaps."""
STABLE_AFTER: Final = timedelta(minutes=30)


class Flaps:
    """Which alerts flap, in the `Database` of the alerts. Changes belong into the caller's transaction."""

    def __init__(self, database: Database, state: State) -> None:
        self._db = database
        self._state = state
        self._stable_at: dict[str, datetime] = {}
        self.reload()

    def reload(self) -> None:
        """Read what is written."""
        self._stable_at = {row["identity"]: at(row["stable_at"]) for row in self._db.rows("flaps")}

    def stable_at(self, identity: str) -> datetime | None:
        """When it is stable if it does not change before; None for what does not flap."""
        return self._stable_at.get(identity)

    def changed(self, identity: str, now: datetime) -> bool:
        """It began or ended, and that is written down. True when it begins to flap by this."""
        known = identity in self._stable_at
        if not known and self._state.changes_of(identity, now - WITHIN) < CHANGES:
            return False
        self._stable_at[identity] = now + STABLE_AFTER
        self._db.change("flap", identity=identity, now=now, stable_at=now + STABLE_AFTER)
        return not known

    def settled(self, now: datetime) -> list[str]:
        """What has been stable for long enough: it flaps no more."""
        found = [row["identity"] for row in self._db.rows("stable", now=now)]
        for identity in found:
            self._db.change("flap_over", identity=identity)
            self._stable_at.pop(identity, None)
        return found
