"""The file `state.sqlite`: what alerting must remember across a crash. All SQL lives beside it in `state.sql`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from threading import RLock
from typing import Any, Final

from ..errors import StoreCorrupt, StoreError

VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _statements() -> dict[str, str]:
    parts = _NAME.split(files(__package__).joinpath("state.sql").read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def micros(time: datetime | None) -> int | None:
    """A time as SQLite keeps it: whole microseconds since 1970, UTC, so that order and equality are exact."""
    return None if time is None else (time - _EPOCH) // _MICROSECOND


def at(value: int) -> datetime:
    """The time behind `micros`."""
    return _EPOCH + value * _MICROSECOND


def moment(value: int | None) -> datetime | None:
    """The same for a column that may be null."""
    return None if value is None else at(value)


class Database:
    """One connection, shared by threads under a lock. A commit is on the disk when `transaction` ends.

    Without a path it is kept in memory only. Raises StoreCorrupt for a file that is no database of ours, StoreError for
    one written by a newer Safelight.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = RLock()
        self._sql = _statements()
        if path:
            path.touch(mode=0o600)  # messages quote logs: nobody else's business
        self._connection = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
        )
        self._connection.row_factory = sqlite3.Row
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise StoreCorrupt("alerts.state_damaged", path=path, reason=str(error)) from error

    def _prepare(self, path: Path | None) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            self._connection.close()
            raise StoreError("alerts.state_newer", path=path)
        self._connection.executescript(f"BEGIN IMMEDIATE; {self._sql['schema']} PRAGMA user_version={VERSION}; COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. Other threads wait."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, name: str, /, **values: Any) -> list[sqlite3.Row]:
        """The answer of the statement called `name`. Datetimes become microseconds."""
        with self._lock:
            return self._connection.execute(self._sql[name], _bound(values)).fetchall()

    def row(self, name: str, /, **values: Any) -> sqlite3.Row | None:
        """Its first row, if it has one."""
        found = self.rows(name, **values)
        return found[0] if found else None

    def value(self, name: str, /, **values: Any) -> Any:
        """The first column of its first row, if it has one."""
        found = self.row(name, **values)
        return found[0] if found else None

    def change(self, name: str, /, **values: Any) -> int:
        """How many rows the statement called `name` changed."""
        with self._lock:
            return self._connection.execute(self._sql[name], _bound(values)).rowcount

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()


def _bound(values: dict[str, Any]) -> dict[str, Any]:
    return {name: micros(value) if isinstance(value, datetime) else value for name, value in values.items()}
