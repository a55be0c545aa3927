"""What a text message says."""

from __future__ import annotations

import re
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.channels.sms import Variable, filled, short
from support.telling import note


def test_it_is_the_title_without_emoji():
    assert short(note("🔴 oom:\tVAEDecode"), 70) == "oom: VAEDecode"
    assert short(note("oom").in_doubt(), 70) == "[may repeat] oom"


@given(st.text(max_size=200), st.integers(20, 70))
def test_it_is_never_longer_than_asked(title, length):
    assert len(short(note(title), length).encode("utf-16-le")) // 2 <= length


@pytest.mark.parametrize("variable", typing.get_args(Variable))
def test_a_variable_is_never_empty(variable):
    assert filled(note("", rule="", labels={}), variable, 35)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("see https://evil.example/x", "see evil·example/x"),
        ("sd15.safetensors at 10.0.0.7", "sd15·safetensors at 10·0·0·7"),
        ("【银行】${title}", "[银行]S(title)"),
        ("done. Next", "done. Next"),
    ],
)
def test_a_variable_has_no_link_no_sender_and_no_variable(value, said):
    assert filled(note(value), "title", 35) == said


@given(st.text(alphabet="htps:/.w中a1。【】", max_size=80))
def test_no_gateway_finds_a_link(value):
    said = filled(note(value), "title", 35)
    assert len(said) <= 35
    assert not re.search(r"\w\.\w|[a-z]://", said)
