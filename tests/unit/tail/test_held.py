"""Whether somebody holds a file."""

from __future__ import annotations

import fcntl

from safelight.tail.held import is_held


def test_a_file_is_held_as_long_as_its_lock_is(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        assert not is_held(path)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_held(path)
    assert not is_held(path)


def test_a_file_that_is_not_there_is_nobodys(tmp_path):
    assert not is_held(tmp_path / "file")


def test_what_cannot_be_asked_counts_as_held(tmp_path):
    assert is_held(tmp_path)  # a folder cannot be opened as a file
