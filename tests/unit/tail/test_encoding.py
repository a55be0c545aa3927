"""Encodings in which lines can be cut before they are decoded, and those in which they cannot."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.errors import InputError
from safelight.tail.encoding import Encoding, encoding, marked, may_be_marked
from safelight.tail.lines import LineCutter

NAMES = [
    *("utf-8", "ascii", "latin-1", "iso8859-15", "cp1252", "cp866", "koi8_r", "mac_roman"),
    *("gbk", "gb2312", "gb18030", "big5", "big5hkscs", "cp950", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"),
]
WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
TEXT = st.text(st.characters(exclude_characters="\n\r\0\ufeff", exclude_categories=("Cs",)), max_size=8)


@pytest.mark.parametrize("name", NAMES)
def test_the_byte_of_a_line_feed_is_nothing_else(name):
    known = encoding(name).name
    characters = "".join(map(chr, range(0x0B, 0xD800))) + "".join(map(chr, range(0xE000, 0x11000)))
    assert b"\n" not in characters.encode(known, "ignore")


@pytest.mark.parametrize("name", [*NAMES, *WIDE])
@given(st.data())
def test_lines_in_any_encoding_arrive_as_utf_8_with_their_places_in_the_file(name, data):
    known = encoding(name)
    texts = [t.encode(known.name, "ignore").decode(known.name) for t in data.draw(st.lists(TEXT, max_size=8))]
    sizes = data.draw(st.lists(st.integers(1, 7), max_size=30))
    content = b"".join((text + "\n").encode(known.name) for text in texts)
    cutter, found, starts, at = LineCutter(0, known), [], [], 0
    for size in [*sizes, len(content) + 1]:
        lines = cutter.feed(content[at : at + size])
        found += lines.texts
        starts += lines.starts
        at += size
    assert [text.decode() for text in found] == texts
    places = [len("".join(f"{text}\n" for text in texts[:n]).encode(known.name)) for n in range(len(texts))]
    assert starts == places
    assert cutter.offset == len(content)


@pytest.mark.parametrize("name", [*NAMES, *WIDE])
@pytest.mark.parametrize("limit", range(4, 13))
def test_a_long_line_is_cut_between_two_characters(name, limit):
    known = encoding(name)
    text = "a𝄞日本語é灯光".encode(known.name, "ignore").decode(known.name) + "aaaaaaaaaaaa"
    (cut,) = LineCutter(0, known, max_line=limit).feed((text + "\n").encode(known.name)).texts
    assert cut
    assert text.startswith(cut.decode())


@pytest.mark.parametrize("name", ["utf-7", "iso2022_jp", "cp037", "hz", "punycode"])
def test_an_encoding_that_cannot_be_cut_before_it_is_decoded_is_refused(name):
    with pytest.raises(InputError) as caught:
        encoding(name)
    assert caught.value.key == "tail.encoding_not_followed"


@pytest.mark.parametrize("name", ["klingon", "", "a\0b"])
def test_an_encoding_that_nobody_knows_is_refused(name):
    with pytest.raises(InputError) as caught:
        encoding(name)
    assert caught.value.key == "tail.unknown_encoding"


def test_bytes_that_mean_nothing_are_kept_in_writing():
    assert encoding("gbk").utf8("灯".encode("gbk") + b"\xff!") == "灯\\xff!".encode()
    assert encoding("utf-16-le").utf8(b"a\0\x00\xd8b\0") == b"a\\x00\\xd8b"


@pytest.mark.parametrize(
    ("mark", "name"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_counts_more_than_what_was_declared(mark, name):
    assert marked(mark + "a".encode(name), Encoding("gbk")) == (Encoding(name), len(mark))
    assert marked(b"abcd", Encoding("gbk")) == (Encoding("gbk"), 0)
    cutter = LineCutter(0, Encoding(name), mark=len(mark))
    assert cutter.feed(mark + "a灯\nb\n".encode(name)).texts == ["a灯".encode(), b"b"]
    short = LineCutter(0, Encoding(name), mark=len(mark))
    short.feed(mark + "a".encode(name))
    assert short.rest().texts == [b"a"]


def test_a_head_waits_while_it_may_become_a_mark():
    assert may_be_marked(b"\xef")
    assert may_be_marked(b"\xff\xfe")
    assert not may_be_marked(b"a")
    assert not may_be_marked(b"\xff\xfea\0")
