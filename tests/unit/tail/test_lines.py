"""Cutting bytes into lines: no byte is lost, no place is wrong, whatever the chunks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from safelight.tail import lines
from safelight.tail.lines import LineCutter

TEXTS = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=20)


@given(TEXTS, st.lists(st.integers(1, 7), max_size=40), st.integers(0, 1000))
def test_lines_and_their_places_do_not_depend_on_how_the_bytes_arrive(texts, cuts, offset):
    content = b"".join(text + b"\n" for text in texts) + b"half"
    cutter = LineCutter(offset)
    found, starts, at = [], [], 0
    for size in [*cuts, len(content)]:
        done = cutter.feed(content[at : at + size])
        found += done.texts
        starts += done.starts
        at += size
    assert found == texts
    assert [content[s - offset : s - offset + len(t)] for s, t in zip(starts, found, strict=True)] == texts
    assert cutter.offset == offset + len(content) - len(b"half")
    assert cutter.rest().texts == [b"half"]


def test_a_windows_line_end_is_no_part_of_the_line():
    assert LineCutter(0).feed(b"a\r\nb\n").texts == [b"a", b"b"]


def test_a_line_over_the_limit_is_cut_on_a_character_and_its_rest_skipped(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    cutter = LineCutter(0)
    found = []
    for _ in range(5):
        found += cutter.feed("灯光灯光".encode()).texts
    done = cutter.feed(b"\nnext\n")
    assert [text.decode() for text in found] == ["灯光灯"]
    assert done.texts == [b"next"]
    assert done.starts == [5 * 12 + 1]
    assert cutter.cut == 1


def test_a_long_line_that_arrives_whole_is_cut_too(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 4)
    done = LineCutter(0).feed(b"abcdefgh\nnext\n")
    assert done.texts == [b"abcd", b"next"]
    assert done.starts == [0, 9]
