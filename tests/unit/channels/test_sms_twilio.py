"""Text messages through Twilio."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from safelight.channels.sms_twilio import Twilio
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHINESE, note, tell


@pytest.fixture
def cloud():
    with providers.Twilio() as running:
        yield running


def channel(cloud, **fields):
    known = {**Twilio.example, "account": cloud.account, "token": cloud.token, "server": cloud.url}
    return Twilio(**{**known, "allow_private": True, **fields})


def form(request):
    return {name: value for name, (value,) in parse_qs(request.body.decode()).items()}


def test_the_title_arrives_as_one_message(cloud):
    assert tell(channel(cloud), note(CHINESE, CHINESE).in_doubt()) == "201 queued SM0123456789"
    (request,) = cloud.accepted()
    said = form(request)
    assert (said["To"], said["From"]) == ("+491700000000", "+15550001111")
    assert len(said["Body"]) == 70
    assert said["Body"].startswith("[may repeat] 显存不足")


def test_a_messaging_service_may_send(cloud):
    tell(channel(cloud, sender="MG0123"), note())
    assert form(cloud.received[0])["MessagingServiceSid"] == "MG0123"


def test_a_wrong_token_breaks_the_channel(cloud):
    with pytest.raises(ChannelBroken, match="20003"):
        tell(channel(cloud, token="wrong-wrong"), note())


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (providers.Twilio.error(21211, "Invalid 'To'"), ChannelBroken, None),
        (providers.Twilio.error(21608, "unverified"), ChannelBroken, None),
        (providers.Twilio.error(21610, "unsubscribed recipient"), ChannelBroken, None),
        (providers.Twilio.error(20404, "not found", 404), ChannelBroken, None),
        (providers.Twilio.error(21617, "too long"), DeliveryError, None),
        (providers.Twilio.error(29999, "something new"), DeliveryError, None),
        (providers.Twilio.error(20429, "Too Many Requests", 429), Retryable, None),
        (providers.Twilio.error(21611, "queue full", 429), Retryable, None),
        (providers.Twilio.error(63038, "daily messages limit"), Retryable, 3600),
        (providers.Twilio.error(20500, "Internal Server Error", 500), Retryable, None),
        (Answer.of({"hello": 1}), Retryable, None),
    ],
)
def test_other_answers_are_read_by_code_and_status(cloud, answer, kind, after_s):
    cloud.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(cloud), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s


def test_the_token_is_in_no_answer(cloud):
    assert cloud.token not in channel(cloud).masked(f"for {cloud.token}")
