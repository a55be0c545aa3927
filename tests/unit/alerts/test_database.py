"""The file behind alerting."""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.database import Database, at, micros
from safelight.errors import StoreCorrupt, StoreError, StoreFull


def test_a_commit_is_on_the_disk_and_readers_do_not_block(tmp_path):
    database = Database(tmp_path / "state.sqlite")
    assert database._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database._connection.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_only_its_owner_may_read_it(tmp_path):
    Database(tmp_path / "state.sqlite").close()
    assert stat.S_IMODE((tmp_path / "state.sqlite").stat().st_mode) == 0o600


def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "state.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StoreCorrupt, match=r"state\.sqlite"):
        Database(tmp_path / "state.sqlite")


def test_a_database_of_somebody_else_is_named(tmp_path):
    with sqlite3.connect(tmp_path / "state.sqlite") as connection:
        connection.execute("CREATE TABLE alerts (colour TEXT)")
    connection.close()
    with pytest.raises(StoreCorrupt, match=r"state\.sqlite"):
        Database(tmp_path / "state.sqlite")


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "state.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError) as caught:
        Database(tmp_path / "state.sqlite")
    assert caught.value.key == "alerts.state_newer"


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_come_back_to_the_microsecond(time):
    assert at(micros(time) or 0) == time
    assert micros(time + timedelta(microseconds=1)) == (micros(time) or 0) + 1


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path / "state.sqlite")
    yield opened
    opened.close()


def _orphan(database):
    """What only COMMIT takes offence at."""
    database._connection.execute("PRAGMA defer_foreign_keys = ON")
    database.change("add_transition", alert="nobody", number=1, status="firing", at=0, group_key="g")


def test_a_full_disk_is_said_in_our_own_words(database):
    database._connection.execute("PRAGMA max_page_count = 1")  # SQLite takes what there is as the least
    with pytest.raises(StoreFull, match="full"), database.transaction():
        database.change("channel_succeeded", name="hook", answer="x" * 1_000_000, now=0)
    assert database.row("channel", name="hook") is None
    with database.transaction():
        database.change("channel_succeeded", name="hook", answer="ok", now=0)


def test_a_file_that_somebody_holds_is_said_in_our_own_words(database, tmp_path):
    database._connection.execute("PRAGMA busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "state.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for refused in (database.transaction().__enter__, lambda: database.change("recover", now=0)):
        with pytest.raises(StoreError, match=r"state\.sqlite.*locked"):
            refused()
    other.close()
    with database.transaction():
        assert database.value("waiting_count", channel="hook") == 0


def test_a_commit_that_fails_leaves_the_next_transaction_alone(database):
    with pytest.raises(StoreError, match="FOREIGN KEY"), database.transaction():
        _orphan(database)
    with database.transaction():
        database.change("channel_succeeded", name="hook", answer="ok", now=0)
    assert database.row("channel", name="hook") is not None
    assert database.rows("collected", group_key="g") == []


def test_a_rollback_that_fails_does_not_hide_why(database):
    def fail():
        database._connection.execute("ROLLBACK")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.transaction():
        fail()


def test_what_a_failed_rollback_left_open_is_not_kept(database):
    class Stubborn:
        """A connection whose first ROLLBACK fails."""

        def __init__(self, connection):
            self.connection, self.refusals = connection, 1

        def __getattr__(self, name):
            return getattr(self.connection, name)

        def execute(self, sql, *values):
            if sql == "ROLLBACK" and self.refusals:
                self.refusals -= 1
                raise sqlite3.OperationalError("disk I/O error")
            return self.connection.execute(sql, *values)

    def fail():
        database.change("channel_succeeded", name="hook", answer="half", now=0)
        raise ZeroDivisionError

    database._connection = Stubborn(database._connection)
    with pytest.raises(ZeroDivisionError), database.transaction():
        fail()
    with database.transaction():
        pass
    assert database.row("channel", name="hook") is None


@pytest.mark.parametrize("prepare", [lambda path: path.mkdir(), lambda path: path.symlink_to(path.parent / "no" / "x")])
def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path, prepare):
    prepare(tmp_path / "state.sqlite")
    with pytest.raises(StoreError, match=r"state\.sqlite") as caught:
        Database(tmp_path / "state.sqlite")
    assert not isinstance(caught.value, StoreCorrupt)


def test_closing_twice_is_no_mistake(database):
    database.close()
    database.close()
    with pytest.raises(StoreError):
        database.rows("progress")
