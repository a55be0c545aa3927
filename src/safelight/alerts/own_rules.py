"""Rules that people made on the page: kept in `state.sqlite`, as the file would write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from .database import Database


class OwnRules:
    """By id, in the order in which they were made. Whether they can be understood is for the reader to find out."""

    def __init__(self, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._db = database
        self._now = now

    def all(self) -> dict[str, dict[str, Any]]:
        """Every rule's fields. Raises StoreError."""
        return {row["id"]: json.loads(row["fields"]) for row in self._db.rows("own_rules")}

    def save(self, id_: str, fields: Mapping[str, Any]) -> None:
        """Durable when this returns. Raises StoreError."""
        written = json.dumps(dict(fields), ensure_ascii=False)
        with self._db.transaction():
            self._db.change("save_own_rule", id=id_, fields=written, now=self._now())

    def forget(self, id_: str) -> None:
        """As if it had never been made. Raises StoreError."""
        with self._db.transaction():
            self._db.change("forget_own_rule", id=id_)
