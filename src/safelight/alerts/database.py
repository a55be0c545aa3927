"""The file `state.sqlite`: what alerting must remember across a crash. All SQL lives beside it, in
one `.sql` file a subject; the parts called `schema` make the tables together."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from threading import RLock
from typing import Any, Final

from ..errors import StoreCorrupt, StoreError, StoreFull

VERSION: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FULL: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _statements() -> dict[str, str]:
    found: dict[str, str] = {}
    for part in sorted(files(__package__).iterdir(), key=lambda part: part.name):
        if part.name.endswith(".sql"):
            parts = _NAME.split(part.read_text(encoding="utf-8"))
            for name, statement in zip(parts[1::2], parts[2::2], strict=True):
                found[name] = found.get(name, "") + statement if name == "schema" else statement
    return found


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

    Without a path it is kept in memory only. A file of an older version is upgraded in place. Opening raises
    StoreCorrupt for a file that is no database of ours. Everything raises StoreError for a file that cannot be used
    (one of a newer Safelight, one that another process holds for longer than 10 s), StoreFull when the disk has no
    room; nothing of that transaction was kept then.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = RLock()
        self._sql = _statements()
        self._path = path
        self._left_open = False
        if path:
            try:
                path.touch(mode=0o600)  # messages quote logs: nobody else's business
            except OSError as error:
                raise StoreError("alerts.state_unwritable", path=path, reason=error.strerror) from error
        with self._translated():
            self._connection = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
            )
        self._connection.row_factory = sqlite3.Row
        try:
            with self._translated(_DAMAGED | {sqlite3.SQLITE_ERROR}):  # tables that are not ours
                self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError("alerts.state_newer", path=self._path)
        before, after = (self._sql.get(f"upgrade_{version}_{part}", "") for part in ("before", "after"))
        self._connection.execute("PRAGMA foreign_keys = OFF")  # to replace a table is not to delete what it holds
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {before} {self._sql['schema']} {after} PRAGMA user_version={VERSION}; COMMIT"
        )
        self._connection.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def _translated(self, damaged: frozenset[int] = _DAMAGED) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)
            if code is not None and code & 0xFF in damaged:  # the rest of the code says where it is damaged
                raise StoreCorrupt("alerts.state_damaged", path=self._path, reason=str(error)) from error
            kind = StoreFull if code in _FULL else StoreError
            raise kind("alerts.state_unwritable", path=self._path, reason=str(error)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. Other threads wait."""
        with self._lock, self._translated():
            if self._left_open and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._left_open = False
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._abandon()
                raise

    def _abandon(self) -> None:
        """Roll back what SQLite has not rolled back itself; what went wrong before is what the caller hears of."""
        with suppress(sqlite3.Error):
            self._left_open = self._connection.in_transaction
            if self._left_open:
                self._connection.execute("ROLLBACK")
                self._left_open = False

    def rows(self, name: str, /, **values: Any) -> list[sqlite3.Row]:
        """The answer of the statement called `name`. Datetimes become microseconds."""
        with self._lock, self._translated():
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
        with self._lock, self._translated():
            return self._connection.execute(self._sql[name], _bound(values)).rowcount

    def close(self) -> None:
        """Release the file, whatever state the disk is in."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()


def _bound(values: dict[str, Any]) -> dict[str, Any]:
    return {name: micros(value) if isinstance(value, datetime) else value for name, value in values.items()}
