"""What an HTTP answer means."""

from __future__ import annotations

import httpx
import pytest

from safelight.channels import ANSWER_MAX, accepted
from safelight.errors import ChannelBroken, DeliveryError, Retryable


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_yes_in_the_peers_words(status):
    assert accepted(httpx.Response(status, text="thank\n you")).startswith(str(status))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_some_say_not_now(status):
    with pytest.raises(Retryable, match="busy"):
        accepted(httpx.Response(status, text="busy"))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 304])
def test_the_rest_say_no(status):
    with pytest.raises(DeliveryError, match=str(status)) as caught:
        accepted(httpx.Response(status, text="bad"))
    assert not isinstance(caught.value, Retryable)
    assert isinstance(caught.value, ChannelBroken) == (status in {401, 410})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_its_target_not_repeated(status):
    with pytest.raises(DeliveryError) as caught:
        accepted(httpx.Response(status, headers={"Location": "http://169.254.169.254/"}))
    assert caught.value.key == "channels.redirect"
    assert "169" not in str(caught.value)


def test_a_long_answer_is_cut():
    assert len(accepted(httpx.Response(200, text="x" * 10_000))) == ANSWER_MAX


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "30"}, 30), ({"Retry-After": "soon"}, None), ({}, None)],
)
def test_a_wait_that_was_asked_for_is_passed_on(headers, seconds):
    with pytest.raises(Retryable) as caught:
        accepted(httpx.Response(503, headers=headers))
    assert caught.value.after_s == seconds
