"""Cutting to a limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from safelight.channels.cut import beginning, cut, longest, size, utf16

TEXT = st.text(alphabet="a中😀\n", max_size=60)


def test_what_fits_stays_whole():
    assert longest("abc", lambda some: len(some) <= 3) == "abc"
    assert cut("abc", 3) == "abc"


@given(TEXT, st.integers(3, 40))
def test_what_is_cut_fits_says_so_and_uses_the_room(value, limit):
    kept = longest(value, lambda some: size(some) <= limit)
    assert size(kept) <= limit
    if kept != value:
        assert kept.endswith("…")
        assert value.startswith(kept[:-1])
        assert size(value[: len(kept)]) + 3 > limit


@given(TEXT, st.integers(1, 40))
def test_characters_are_counted_as_phones_do_and_never_halved(value, limit):
    assert utf16(value) == len(value.encode("utf-16-le")) // 2
    assert utf16(cut(value, limit)) <= limit
    assert value.startswith(beginning(value, limit))
    cut(value, limit).encode()
