"""Positions survive their text form, whatever the file is called."""

from __future__ import annotations

import json
import os
import zlib

from hypothesis import given
from hypothesis import strategies as st

from safelight.tail.position import Content, Identity, Position, shown

NAMES = st.binary(min_size=1, max_size=20).map(os.fsdecode) | st.text(min_size=1, max_size=20).filter(
    lambda t: t.isprintable()
)


@given(NAMES)
def test_a_position_is_the_same_after_its_text(name):
    position = Position(f"/logs/{name}", 7, 1_795_000_000_000, 0, 0)
    assert Position.parse(position.dump()) == position


@given(NAMES)
def test_a_name_is_shown_as_text_that_can_be_stored(name):
    assert shown(name).encode()
    assert json.loads(Position(name, 7, 1, 0, 0).dump())["path"] == shown(name)


def test_a_name_is_shown_as_it_is_when_it_is_utf_8():
    assert shown("/日志/a\\b.log") == "/日志/a\\b.log"


def test_a_key_is_read_back():
    assert Identity.parse(Identity(2049, 131).key("file"), "file") == Identity(2049, 131)
    assert Identity.parse("file:2049:131", "spool") is None


def test_a_position_that_an_earlier_version_kept_is_understood(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b'{"n":1}\n{"n":2}\n')
    kept = json.dumps(
        {"path": str(log), "offset": 8, "generation": 5, "head_length": 16, "head_crc": zlib.crc32(log.read_bytes())}
    )
    position = Position.parse(kept)
    with log.open("rb") as file:
        assert position.fits(file.fileno())
    log.write_bytes(b'{"m":1}\n{"n":2}\n')
    with log.open("rb") as file:
        assert not position.fits(file.fileno())


@given(NAMES)
def test_what_was_there_before_is_kept_with_it(name):
    before = Content("/logs/a", 7, 1, 2, 3, 4, 5)
    position = Position(f"/logs/{name}", 7, 1, 0, 0, mid_line=True, packed_size=9, before=before)
    assert Position.parse(position.dump()) == position


def test_the_bytes_before_the_place_tell_other_content_of_the_same_head():
    old = b"x" * 300 + b"old\n"
    position = Position("a", 0, 1, 0, 0).at("a", 304, lambda at, length: old[at : at + length])
    assert position.holds(lambda at, length: old[at : at + length])
    new = b"x" * 300 + b"new\n"
    assert not position.holds(lambda at, length: new[at : at + length])


def test_space_that_is_not_written_yet_is_no_head():
    preallocated, written = b"a\n" + b"\0" * 500, b"a\nb\n" + b"\0" * 498
    position = Position("a", 0, 1, 0, 0).at("a", 2, lambda at, length: preallocated[at : at + length])
    assert position.holds(lambda at, length: written[at : at + length])
