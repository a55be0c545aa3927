"""Conversations of several steps: what counts as told, what leaves a doubt, what is refused."""

from __future__ import annotations

import zlib
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

import anyio
import httpx
import pytest

from safelight.alerts.notification import Notification
from safelight.channels import Channel, accepted, following, preparing
from safelight.channels.webhook import Webhook
from safelight.delivery import converse as converse_module
from safelight.delivery.converse import InDoubt, converse, hidden, telling
from safelight.delivery.exchange import client
from safelight.errors import DeliveryError, Retryable
from support.providers import Answer, Provider

NOTE = Notification("k", "a", "r", 2, "firing", "t", "text")


class Spoken(Channel):
    """Says what the test says."""

    type: Literal["spoken"] = "spoken"


@pytest.fixture
def peer():
    with Provider() as running:
        yield running


def told(talk, **fields):
    async def main():
        channel = Spoken(name="c", allow_private=True, **fields)
        async with client(channel) as connection:
            return await converse(channel, talk, connection)

    return anyio.run(main)


def post(peer, path):
    return httpx.Request("POST", f"http://127.0.0.1:{peer.port}{path}", content=b"x")


def three_steps(peer):
    """A token, the message, a picture."""
    token = accepted((yield preparing(post(peer, "/token"))))
    said = accepted((yield post(peer, f"/message?{len(token)}")))
    accepted((yield following(post(peer, "/picture"), said)))
    return f"{said} and the picture"


def test_each_step_hears_its_answer(peer):
    peer.answers(Answer(200, b"tok"), Answer(200, b"yes"), Answer(200, b"pic"))
    assert told(three_steps(peer)) == "200 OK yes and the picture"
    assert [request.path for request in peer.received] == ["/token", "/message", "/picture"]
    assert peer.received[1].raw_query == str(len("200 OK tok"))


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(502), Answer(504)])
def test_a_lost_answer_leaves_a_doubt_only_where_the_message_may_have_been_told(peer, answer):
    peer.answers(answer)
    with pytest.raises(Retryable):
        told(three_steps(peer))
    peer.answers(Answer(), answer)
    with pytest.raises(InDoubt):
        told(three_steps(peer))


@pytest.mark.parametrize("answer", [Answer(hang=True), Answer(502), Answer(403), Answer(500)])
def test_once_told_nothing_fails_it(peer, answer):
    peer.answers(Answer(), Answer(200, b"yes"), answer)
    assert told(three_steps(peer)) == "200 OK yes"


def test_a_mistake_after_it_was_told_does_not_fail_it_either(peer):
    def talk():
        said = accepted((yield post(peer, "/message")))
        yield following(post(peer, "/picture"), said)
        raise ZeroDivisionError

    assert told(talk()) == "200 OK ok"


def test_a_mistake_before_fails_it_by_name(peer):
    def talk():
        yield preparing(post(peer, "/token"))
        raise ZeroDivisionError

    with pytest.raises(DeliveryError, match="ZeroDivisionError"):
        told(talk())


def test_a_step_that_fails_may_be_answered_by_another(peer):
    def talk():
        try:
            accepted((yield preparing(post(peer, "/upload"))))
        except DeliveryError:
            return accepted((yield post(peer, "/message?without")))
        return "with"

    peer.answers(Answer(hang=True))
    assert told(talk()) == "200 OK ok"
    assert peer.received[1].raw_query == "without"


def test_a_doubt_outlives_a_second_try(peer):
    def talk():
        try:
            return accepted((yield post(peer, "/first")))
        except Retryable:
            return accepted((yield post(peer, "/second")))

    peer.answers(Answer(hang=True), Answer(503))
    with pytest.raises(InDoubt):
        told(talk())


def test_a_refusal_of_the_second_try_is_a_refusal(peer):
    peer.answers(Answer(), Answer(403, b"no"))
    with pytest.raises(DeliveryError, match="403") as caught:
        told(three_steps(peer))
    assert not isinstance(caught.value, Retryable)


def test_a_conversation_without_end_is_a_mistake(peer):
    def talk():
        while True:
            yield preparing(post(peer, "/again"))

    with pytest.raises(DeliveryError, match="endless"):
        told(talk())


def test_a_conversation_without_a_step_says_its_word(peer):
    def talk():
        return "nothing to say"
        yield

    assert told(talk()) == "nothing to say"


def test_through_a_proxy_it_goes_by_name_and_a_private_name_is_refused():
    with Provider() as proxy:
        address = f"http://ann:hunter22@127.0.0.1:{proxy.port}"

        def talk(url):
            return accepted((yield httpx.Request("POST", url, content=b"x")))

        assert told(talk("http://nowhere.invalid/alert"), proxy=address) == "200 OK ok"
        (request,) = proxy.received
        assert request.headers["host"] == "nowhere.invalid"
        assert request.headers["proxy-authorization"].startswith("Basic ")
        channel = Spoken(name="c", proxy=address)

        async def privately():
            async with client(channel) as connection:
                return await converse(channel, talk("http://127.0.0.1:9/alert"), connection)

        with pytest.raises(DeliveryError, match="allow_private"):
            anyio.run(privately)
        assert len(proxy.received) == 1


def test_https_asks_the_proxy_for_a_tunnel_and_its_no_leaves_no_doubt():
    with Provider() as proxy:

        def talk():
            return accepted((yield httpx.Request("POST", "https://nowhere.invalid/alert", content=b"x")))

        with pytest.raises(Retryable, match="cannot be reached"):
            told(talk(), proxy=f"http://127.0.0.1:{proxy.port}")


def test_the_environment_names_no_proxy(peer, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert told(three_steps(peer)).startswith("200")


def test_the_default_conversation_is_one_request(peer):
    class Plain(Spoken):
        type: Literal["plain"] = "plain"

        def request(self, note, now):
            return post(peer, f"/{note.id}")

    talk = Plain(name="c").conversation(NOTE, datetime.now(UTC))
    assert told(talk) == "200 OK ok"
    assert peer.received[0].path == "/a"


def test_an_answer_in_an_encoding_that_unpacks_is_text_like_any(peer):
    bomb = zlib.compress(b"x" * 1_000_000)
    peer.answers(Answer(200, bomb, {"Content-Type": "text/plain; charset=zlib"}))
    assert told(iter_of(accepted, peer)).startswith("200 OK")


def iter_of(verdict, peer):
    return verdict((yield post(peer, "/message")))


class Mistaken(Spoken):
    """Cannot even begin."""

    type: Literal["mistaken"] = "mistaken"

    def conversation(self, note, now):
        raise ZeroDivisionError


def test_a_channel_that_cannot_begin_is_a_mistake_of_its_own():
    channel = Mistaken(name="c")
    with pytest.raises(DeliveryError, match="ZeroDivisionError"):
        told(telling(channel, NOTE, datetime.now(UTC)))


def test_a_conversation_that_will_not_end_hurts_nobody(peer, monkeypatch):
    def talk():
        with suppress(GeneratorExit):
            yield post(peer, "/message")
        yield post(peer, "/again")

    monkeypatch.setattr(converse_module, "STEPS_MAX", 0)
    with pytest.raises(DeliveryError, match="endless"):
        told(talk())


def test_a_password_that_looks_like_a_broken_address_is_hidden_like_any():
    hook = Webhook(name="c", url="https://a.example/", secret="https://[not-an-address")
    assert hidden(hook, "no: https://[not-an-address") == "no: ***"
