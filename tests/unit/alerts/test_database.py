"""The file behind alerting."""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.database import VERSION, Database, at, micros
from safelight.alerts.state import State
from safelight.errors import StoreCorrupt, StoreError, StoreFull
from support.timeline import Timeline, rule


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
    about = {"severity": 2, "kind": "usual", "muted": None, "ref": None}
    database.change("add_transition", alert="nobody", number=1, status="firing", at=0, group_key="g", **about)


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


def _of_version_1(path):
    """A file as version 1 left it: one alert that fires and was told, one that is over, a message that waits."""
    schema = Path(__file__).parents[2] / "golden" / "state_1.sql"
    with sqlite3.connect(path) as connection:
        connection.executescript(schema.read_text(encoding="utf-8"))
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def test_a_file_of_version_1_loses_nothing(tmp_path):
    path = tmp_path / "state.sqlite"
    _of_version_1(path)
    for _ in range(2):  # the second time there is nothing to upgrade
        database = Database(path)
        assert database._connection.execute("PRAGMA user_version").fetchone()[0] == VERSION
        assert database._connection.execute("PRAGMA foreign_key_check").fetchall() == []
        state = State(database)
        firing, over = state.newest(10)
        assert (firing.id, firing.status, firing.heard, firing.number) == ("a1", "firing", True, 1)
        assert (over.id, over.status, over.ended_at is not None) == ("a2", "resolved", True)
        assert [row["status"] for row in database.rows("notifications_of", alert="a1", limit=9)] == ["waiting"]
        assert state.told_before(firing.identity) == firing.told_at
        database.close()


def test_an_upgraded_file_has_the_tables_of_a_new_one(tmp_path):
    _of_version_1(tmp_path / "old.sqlite")
    found = []
    for name in ("old.sqlite", "new.sqlite"):
        database = Database(tmp_path / name)
        tables = database._connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        names = sorted(row[0] for row in tables)
        columns = {one: database._connection.execute(f"PRAGMA table_info({one})").fetchall() for one in names}
        found.append({one: [tuple(column)[1:] for column in columns[one]] for one in names})
        database.close()
    assert found[0] == found[1]


def test_alerting_goes_on_with_the_state_of_version_1(tmp_path):
    (tmp_path / "one").mkdir()
    _of_version_1(tmp_path / "one" / "state.sqlite")
    night = Timeline(tmp_path / "one", [rule()], start="02:03:00")
    assert night.messages() == [("02:03:00", "team", "firing", 1)]
    night.until("02:30:00")
    assert [row[2] for row in night.messages()] == ["firing", "resolved"]
    night.close()
