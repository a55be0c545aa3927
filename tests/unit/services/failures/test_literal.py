"""What every match contains: right for what it says, silent where nothing is sure."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.services.failures.catalogue import by_text
from safelight.services.failures.literal import words


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("CUDA out of memory", ("cuda out of memory",)),
        (r"No such file[^\n]{0,20}?['\"]", ("no such file",)),
        (r"colou?r", ("colo",)),
        (r"(?:a long group) b", ("a long group b",)),
        (r"(?P<subject>[^)|]+) is missing", (" is missing",)),
        (r"one|two", ("one", "two")),
        (r"one|\d+", ()),
        (r"(?:one|two|three)\b", ("one", "two", "three")),
        (r"(?:yes )?(?:one|four) seven", (" seven",)),
        (r"(?!never)ab", ("ab",)),
        (r"a\.b\[c", ("a.b[c",)),
        (r"x*", ()),
        ("", ()),
    ],
)
def test_the_surest_words_are_found(pattern, found):
    assert words(pattern) == found


SIGNS = [sign for _, sign in by_text() if sign.text is not None]


def test_nearly_every_sign_has_some():
    assert sum(min(map(len, sign.words), default=0) >= 3 for sign in SIGNS) > len(SIGNS) * 0.9


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_a_sign_matches_contains_one_of_its_words(data):
    sign = data.draw(st.sampled_from([sign for sign in SIGNS if sign.words]))
    said = data.draw(st.from_regex(re.compile(sign.text.pattern)))
    assert any(word in said.lower() for word in sign.words)
