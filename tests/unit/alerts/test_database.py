"""The file behind alerting."""

from __future__ import annotations

import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.database import Database, at, micros
from safelight.errors import StoreCorrupt, StoreError


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
