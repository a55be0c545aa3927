"""Where text goes on after NULs."""

from __future__ import annotations

import os

import pytest

from safelight.tail import nuls
from safelight.tail.nuls import text_after, without_trailing


@pytest.fixture
def sparse(tmp_path):
    """`first`, a hole of 3 GB, `next`."""
    path = tmp_path / "sparse.log"
    with path.open("wb") as file:
        file.write(b"first\n")
        file.seek(3 << 30)
        file.write(b"\0\0next\n")
    fd = os.open(path, os.O_RDONLY)
    yield fd, os.fstat(fd).st_size
    os.close(fd)


def test_a_hole_is_passed_without_being_read(sparse):
    fd, size = sparse
    assert text_after(fd, 6, size, 1) == ((3 << 30) + 2, True)


def test_a_place_inside_a_wide_character_is_its_beginning(sparse):
    fd, size = sparse
    assert text_after(fd, 6, size, 4) == (3 << 30, True)


def test_a_hole_at_the_end_holds_nothing(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"first\n")
    os.truncate(path, 2 << 30)
    with path.open("rb") as file:
        assert text_after(file.fileno(), 6, 2 << 30, 1) == (2 << 30, False)


def test_no_more_is_looked_through_than_a_turn_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr(nuls, "SCAN_BYTES", 10_000)
    monkeypatch.setattr(nuls, "_BLOCK", 1_000)
    path = tmp_path / "a.log"
    path.write_bytes(b"\0" * 50_000 + b"text")
    with path.open("rb") as file:
        assert text_after(file.fileno(), 0, 50_004, 1) == (10_000, False)
        assert text_after(file.fileno(), 45_000, 50_004, 1) == (50_000, True)


@pytest.mark.parametrize(
    ("chunk", "at", "width", "kept"),
    [
        (b"a\n\0\0\0", 0, 1, b"a\n"),
        (b"\0\0", 0, 1, b""),
        ("a\n\0\0".encode("utf-16-le"), 4, 2, "a\n".encode("utf-16-le")),
        ("a\n\0".encode("utf-16-be"), 2, 2, "a\n".encode("utf-16-be")),
    ],
)
def test_nuls_at_the_end_are_not_there_yet(chunk, at, width, kept):
    assert without_trailing(chunk, at, width) == kept
