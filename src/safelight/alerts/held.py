"""What remedies must not forget in a crash: prompts out of queues, paused queues, processes that we started."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from .database import Database


class Shelf:
    """All of it, in the `Database` of the alerts, which only our own user may read."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, place: str) -> list[Any]:
        """Queue items of a place, in the order in which they are to run."""
        return [json.loads(row["item"]) for row in self._db.rows("held_of", place=place)]

    def places(self) -> list[str]:
        """Where something is held that need not be."""
        return [row["place"] for row in self._db.rows("held_places")]

    def add(self, place: str, items: Sequence[Any]) -> None:
        """Keep these too, behind the others; each run once."""
        with self._db.transaction():
            for item in items:
                self._db.change("held_add", place=place, run=str(item[1]), item=json.dumps(item))

    def drop(self, place: str, run_ids: Iterable[str]) -> None:
        """These are in a queue again."""
        with self._db.transaction():
            for run in run_ids:
                self._db.change("held_drop", place=place, run=run)

    def is_paused(self, place: str) -> bool:
        """Whether what is held there stays held."""
        return bool(self._db.value("is_paused", place=place))

    def pause(self, place: str, *, paused: bool) -> None:
        """Hold what comes, or no longer."""
        with self._db.transaction():
            self._db.change("pause" if paused else "resume", place=place)

    def process(self, name: str) -> tuple[int, float] | None:
        """Pid and birth of the process that we started under this name."""
        row = self._db.row("process", name=name)
        return (row["pid"], row["born"]) if row else None

    def keep_process(self, name: str, pid: int, born: float) -> None:
        """Remember it."""
        with self._db.transaction():
            self._db.change("process_save", name=name, pid=pid, born=born)
