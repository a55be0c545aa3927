"""Cutting bytes into lines: no byte is lost, no place is wrong, whatever the chunks."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safelight.tail import lines
from safelight.tail.encoding import Encoding, encoding
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


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_windows_line_end_that_comes_in_pieces_is_no_part_of_the_line(name):
    content = "a\r\nb\r\n".encode(name)
    for at in range(len(content) + 1):
        cutter = LineCutter(0, encoding(name))
        assert cutter.feed(content[:at]).texts + cutter.feed(content[at:]).texts == [b"a", b"b"], at


@pytest.mark.parametrize("chunk", [b"\x80" * 100, b"\x80" * 100 + b"\n", b"\xff" + b"\xbf" * 100 + b"\n"])
def test_a_long_line_without_whole_characters_is_cut_at_the_limit(chunk):
    assert LineCutter(0, max_line=10).feed(chunk).texts == [chunk[:10]]


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


def test_a_long_line_can_be_left_out(monkeypatch):
    cutter = LineCutter(0, max_line=4, keep_long=False)
    found = [cutter.feed(chunk).texts for chunk in (b"abcdefgh\nnext\nabc", b"defg", b"h", b"i\nlast\n")]
    assert found == [[b"next"], [], [], [b"last"]]
    assert cutter.cut == 2


def test_reading_can_go_on_inside_a_line_that_was_cut():
    first = LineCutter(0, max_line=4)
    assert first.feed(b"abcdefgh").texts == [b"abcd"]
    assert first.skipping
    second = LineCutter(first.offset, max_line=4, in_skipped=True)
    assert second.feed(b"ij\nnext\n").texts == [b"next"]


def test_a_run_of_nuls_ends_a_line_and_is_left_out():
    cutter = LineCutter(100)
    lines = cutter.feed(b"half" + b"\0" * 40 + b"next\n" + b"\0" * 20 + b"\nlast\0\n")
    assert lines.texts == [b"half", b"next", b"last\0"]
    assert lines.starts == [100, 144, 170]
    assert cutter.nul_runs == 2


def test_a_gap_ends_the_line_in_hand():
    cutter = LineCutter(0)
    cutter.feed(b"half")
    lines = cutter.gap(1000)
    assert (lines.texts, lines.starts, cutter.offset) == ([b"half"], [0], 1004)
    assert cutter.feed(b"next\n").starts == [1004]


@example("utf-8", 8, 21)
@given(st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-be"]), st.integers(8, 40), st.integers(1, 90))
def test_what_stands_beside_nuls_stays_whole(name, count, cut):
    content = "first".encode(name) + "\0".encode(name) * count * 2 + "a next\nlast\n".encode(name)
    cutter = LineCutter(0, Encoding(name))
    first, second = cutter.feed(content[:cut]), cutter.feed(content[cut:])
    first += second
    assert first.texts == [b"first", b"a next", b"last"]
