"""One step of `then` in an episode of an alert: what is to be done, why, and how it went."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row
from typing import Any

from ..remedies import Remedy, step, told
from ..remedies.cause import Cause, Said, parse, render
from ..rows import iso
from .database import at, moment


@dataclass(frozen=True, slots=True)
class Repair:
    """One step that is to be tried, or was."""

    id: str
    cause: Cause
    severity: int
    remedy: Remedy
    rest: tuple[Any, ...]
    """The steps after it, as they stand in the rule."""
    channels: tuple[str, ...] | None
    status: str
    dry_run: bool | None
    """None as long as it is not decided."""
    forced: bool
    """A person had a dry run carried out."""
    said: tuple[Said, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    over_at: datetime | None
    place: str | None

    @property
    def next(self) -> tuple[Any, tuple[Any, ...]] | None:
        """What is tried if it fails, and what then."""
        if self.remedy.otherwise is not None:
            return told(self.remedy.otherwise), self.rest
        return (self.rest[0], self.rest[1:]) if self.rest else None

    def only_named(self, *, dry_run: bool) -> bool:
        """Whether it is a dry run. `dry_run`: what holds for remedies that do not say."""
        if self.forced:
            return False
        return dry_run if self.remedy.dry_run is None else self.remedy.dry_run

    def view(self, language: str, *, dry_run: bool) -> dict[str, Any]:
        """For the API. `dry_run`: what holds for remedies that do not say."""
        return {
            "id": self.id,
            "alert": self.cause.alert,
            "rule": self.cause.rule,
            "remedy": self.remedy.kind(),
            "instance": self.remedy.instance or self.cause.labels.get("instance"),
            "status": self.status,
            "dry_run": self.dry_run if self.dry_run is not None else self.only_named(dry_run=dry_run),
            "said": render(self.said, language) if self.said else self.remedy.plan(self.cause).render(language),
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at) if self.started_at else None,
            "finished_at": iso(self.finished_at) if self.finished_at else None,
        }


def of_row(row: Row) -> Repair:
    """As it is kept. Raises ValueError when its remedy is not installed any more."""
    return Repair(
        id=row["id"],
        cause=Cause(
            row["alert"], row["rule"], json.loads(row["labels"]), tuple(json.loads(row["runs"])), at(row["created_at"])
        ),
        severity=row["severity"],
        remedy=step(json.loads(row["step"])),
        rest=tuple(json.loads(row["rest"])),
        channels=tuple(json.loads(row["channels"])) if row["channels"] else None,
        status=row["status"],
        dry_run=None if row["dry_run"] is None else bool(row["dry_run"]),
        forced=bool(row["forced"]),
        said=parse(row["said"]),
        created_at=at(row["created_at"]),
        started_at=moment(row["started_at"]),
        finished_at=moment(row["finished_at"]),
        over_at=moment(row["over_at"]),
        place=row["place"],
    )
