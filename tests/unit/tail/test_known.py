"""Positions by file, and by how each begins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from safelight.tail.known import Known
from safelight.tail.position import Identity, Position

HEADS = [b"", b"a", b"ab", b"abc", b"b"]
CHANGES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, *HEADS])), max_size=30)


def position_of(head):
    return Position("/a.log", 7, 1, 0, 0).at("/a.log", len(head), lambda at, length: head[at : at + length])


@given(CHANGES, st.sampled_from([*HEADS, b"abcd", b"bc"]))
def test_files_are_found_by_how_they_begin(changes, head):
    known, expected = Known({}, "file"), {}
    for inode, begins in changes:
        if begins is None:
            known.forget(Identity(1, inode))
            expected.pop(inode, None)
        else:
            known.put(Identity(1, inode), position_of(begins))
            expected[inode] = begins
    found = {identity.inode: position for identity, position in known.beginning(head)}
    assert found == {
        inode: position_of(begins) for inode, begins in expected.items() if begins and head.startswith(begins)
    }


def test_what_was_committed_is_found_by_how_it_begins():
    known = Known({"file:1:2": position_of(b"ab").dump(), "spool:1:3": position_of(b"ab").dump()}, "file")
    assert list(known.beginning(b"abc")) == [(Identity(1, 2), position_of(b"ab"))]
