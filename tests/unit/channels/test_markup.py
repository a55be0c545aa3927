"""Text from a log within markdown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.channels.markup import escape, link


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("[free](https://evil)", r"\[free\](https://evil)"),
        ("![x](https://evil/track.png)", r"!\[x\](https://evil/track.png)"),
        ("**bold** `code`", r"\*\*bold\*\* \`code\`"),
        ("# heading", r"\# heading"),
        ("> quote", r"\> quote"),
        ("- item", r"\- item"),
        ("1. item", r"\1. item"),
        ("<font color=red>", r"\<font color=red>"),
        ("_em_ gpu_oom", r"\_em\_ gpu_oom"),
        ("back\\slash", r"back\\slash"),
        ("显存不足", "显存不足"),
    ],
)
def test_markup_in_a_message_is_text(hostile, harmless):
    assert escape(hostile) == harmless


@given(st.text(alphabet="[]()!*_`<>#\\ a\n中", max_size=60))
def test_nothing_makes_a_link_or_a_picture(value):
    assert not re.search(r"(?<!\\)(\\\\)*\]\(", escape(value))


def test_a_url_stays_within_its_link():
    assert link("Logs", "https://s.example/logs?q=a(b) <c>[d]&e=%20中") == (
        "[Logs](https://s.example/logs?q=a%28b%29%20%3Cc%3E%5Bd%5D&e=%20%E4%B8%AD)"
    )
