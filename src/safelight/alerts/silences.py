"""Silences: what is not to be told for a while, by whom and why."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from sqlite3 import Row
from typing import Any, Final

from ..errors import InputError
from ..rows import iso
from .alert import Alert
from .database import Database, at

SHOWN_MAX: Final = 1_000
TEXT_MAX: Final = 1_000
"""Characters of a comment, and of a value that is matched."""
MATCHES_MAX: Final = 20
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Silence:
    """Alerts whose rule, severity and labels are as `match` says (`*` stands for any text) are kept and not told."""

    id: str
    match: Mapping[str, str]
    starts_at: datetime
    until: datetime
    by: str
    comment: str
    state: str
    """`waiting`, `active` or `over`."""
    muting: int = 0

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {
            name: re.compile(".*".join(map(re.escape, value.split("*"))), re.DOTALL)
            for name, value in self.match.items()
        }

    def matches(self, alert: Alert) -> bool:
        """Whether it is about this alert. A label that the alert lacks is as an empty one."""
        facts = {**alert.labels, "rule": alert.rule, "severity": str(alert.severity)}
        return all(pattern.fullmatch(facts.get(name, "")) for name, pattern in self._patterns.items())

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "match": dict(self.match),
            "starts_at": iso(self.starts_at),
            "until": iso(self.until),
            "by": self.by,
            "comment": self.comment,
            "state": self.state,
            "muting": self.muting,
        }


class Silences:
    """All of them, in the `Database` of the alerts. Changes belong into the caller's transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._active: list[Silence] | None = None

    def active(self) -> list[Silence]:
        """Those in force, the one that ends last first."""
        if self._active is None:
            self._active = [_silence(row) for row in self._db.rows("active_silences")]
        return self._active

    def reload(self) -> None:
        """What is in memory may not be what is written."""
        self._active = None

    def add(
        self, match: Mapping[str, str], starts_at: datetime, until: datetime, by: str, comment: str, now: datetime
    ) -> Silence:
        """A new one. Raises InputError for one that matches nothing in particular, or would never be in force."""
        checked = _checked(match)
        if until <= max(now, starts_at):
            raise InputError("alerts.silence_over", until=iso(until))
        if len(comment) > TEXT_MAX:
            raise InputError("alerts.silence_comment", limit=TEXT_MAX)
        state = "waiting" if starts_at > now else "active"
        id_ = secrets.token_hex(6)
        self._db.change(
            "add_silence",
            id=id_,
            match=json.dumps(checked, ensure_ascii=False),
            starts_at=starts_at,
            until=until,
            by=by[:TEXT_MAX],
            comment=comment,
            state=state,
        )
        self._active = None
        return Silence(id_, checked, starts_at, until, by, comment, state)

    def end(self, id_: str, now: datetime) -> Silence | None:
        """Take it back; it stays in the list. None for an unknown one."""
        row = self._db.row("silence", id=id_)
        if row is None:
            return None
        self._db.change("silence_state", id=id_, state="over", until=now)
        self._active = None
        return _silence(row)

    def turn(self, now: datetime) -> tuple[list[Silence], list[Silence]]:
        """What time does to them: those that began, those that are over."""
        over = [_silence(row) for row in self._db.rows("silences_ending", now=now)]
        for silence in over:
            self._db.change("silence_state", id=silence.id, state="over", until=silence.until)
        begun = [_silence(row) for row in self._db.rows("silences_beginning", now=now)]
        for silence in begun:
            self._db.change("silence_state", id=silence.id, state="active", until=silence.until)
        if over or begun:
            self._active = None
        return begun, over

    def list(self) -> list[Silence]:
        """All that are kept: those in force first."""
        return [_silence(row) for row in self._db.rows("silences", limit=SHOWN_MAX)]


def _checked(match: Mapping[str, str]) -> dict[str, str]:
    kept = {str(name): str(value) for name, value in match.items() if str(value)}
    if not kept:
        raise InputError("alerts.silence_everything")
    if len(kept) > MATCHES_MAX:
        raise InputError("alerts.silence_many", limit=MATCHES_MAX)
    for name, value in kept.items():
        if not _LABEL.fullmatch(name) or len(value) > TEXT_MAX:
            raise InputError("alerts.silence_label", name=name[:100])
    return kept


def _silence(row: Row) -> Silence:
    return Silence(
        id=row["id"],
        match=json.loads(row["match"]),
        starts_at=at(row["starts_at"]),
        until=at(row["until"]),
        by=row["author"],
        comment=row["comment"],
        state=row["state"],
        muting=row["muting"] if "muting" in row.keys() else 0,  # noqa: SIM118 - a Row is no mapping
    )
