"""Positions survive their text form, whatever the file is called."""

from __future__ import annotations

import json
import os

from hypothesis import given
from hypothesis import strategies as st

from safelight.tail.position import Identity, Position, shown

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
