"""Reading answers that are JSON."""

from __future__ import annotations

import httpx
import pytest

from safelight.channels import ANSWER_MAX
from safelight.channels.verdicts import Codes, spoken, words
from safelight.errors import ChannelBroken, DeliveryError, Retryable

CODES = Codes(broken={1, "Auth"}, for_good={2, "Auth.Content"}, waits_s={3: 60.0, "Auth.Expired": 5.0})


def test_an_object_is_read_whatever_the_status():
    assert spoken(httpx.Response(400, json={"code": 1}), "X", "code") == {"code": 1}


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b"[]", b'"ok"', b"{}", b"\xff\xfe", b"[" * 60_000])
def test_anything_else_is_no_answer(body):
    with pytest.raises(Retryable, match="not one of X"):
        spoken(httpx.Response(200, content=body), "X", "code")
    with pytest.raises(DeliveryError, match="403") as caught:
        spoken(httpx.Response(403, content=body), "X", "code")
    assert not isinstance(caught.value, Retryable)


@pytest.mark.parametrize(
    ("code", "kind", "after_s"),
    [
        (1, ChannelBroken, None),
        (2, DeliveryError, None),
        (3, Retryable, 60.0),
        (4, Retryable, None),
        (None, Retryable, None),
        ("Auth.Failure", ChannelBroken, None),
        ("Auth.Content", DeliveryError, None),
        ("Auth.Expired.Clock", Retryable, 5.0),
        ("Authority", Retryable, None),
        ({"odd": 1}, Retryable, None),
    ],
)
def test_a_code_means_what_it_or_its_family_is_listed_as(code, kind, after_s):
    refusal = CODES.refusal(code, "because")
    assert type(refusal) is kind
    assert getattr(refusal, "after_s", None) == after_s
    assert "because" in str(refusal)


def test_words_are_one_short_line():
    assert words(1, None, "a\nb", "") == "1 a b"
    assert len(words("x" * 1000)) == ANSWER_MAX


def test_words_may_be_anything():
    assert words(0, {"odd": 1}, None, "", ["x"]) == "0 {'odd': 1} ['x']"
