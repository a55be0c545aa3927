"""Bark: within Apple's 4 KB, louder by severity."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.bark import BODY_MAX, Bark
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHINESE, LINKS, note, tell
from support.timeline import DAY

PHONE = Bark(name="phone", key="k" * 22)


@pytest.fixture
def server():
    with providers.Bark() as running:
        yield running


def channel(server, **fields):
    return Bark(**{"name": "phone", "key": server.key, "server": server.url, "allow_private": True, **fields})


def message(notification, **fields):
    return json.loads(PHONE.model_copy(update=fields).request(notification, DAY).content)


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"severity": 1}, "active"),
        ({"severity": 2}, "timeSensitive"),
        ({"severity": 3}, "critical"),
        ({"severity": 3, "status": "resolved"}, "active"),
    ],
)
def test_it_is_louder_by_severity(fields, level):
    assert message(note(**fields), critical=True)["level"] == level
    assert message(note(**fields))["level"] != "critical"


def test_it_opens_the_first_link_and_groups_by_service():
    said = message(note(links=LINKS, status="resolved").in_doubt())
    assert (said["url"], said["group"]) == ("https://s.example/runs/1", "photo")
    assert said["title"] == "🟢 [may repeat] oom: VAEDecode"
    assert message(note(labels={}))["group"] == "Safelight"


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from('中\n"\\a😀\x7f'), min_size=1, max_size=8), st.integers(1, 6_000))
def test_any_text_fits(piece, times):
    content = PHONE.request(note(text=piece * times, links=LINKS), DAY).content
    assert len(content) <= BODY_MAX
    json.loads(content)


def test_a_long_message_arrives(server):
    assert tell(channel(server), note(text=CHINESE, links=LINKS)) == "200 success"


def test_a_phone_that_is_not_known_breaks_the_channel_and_its_key_is_not_shown(server):
    wrong = channel(server, key="w" * 22)
    with pytest.raises(ChannelBroken, match="failed to get device token") as caught:
        tell(wrong, note())
    assert "w" * 22 not in wrong.masked(str(caught.value))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (providers.Bark.error(500, "push failed: BadDeviceToken"), ChannelBroken),
        (providers.Bark.error(500, "push failed: TooManyRequests"), Retryable),
        (providers.Bark.error(400, "request bind failed"), DeliveryError),
        (Answer(200, b"pong"), Retryable),
        (Answer.of({"code": 200, "message": "success"}, 503), Retryable),
    ],
)
def test_it_is_believed_by_its_code(server, answer, kind):
    server.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(server), note())
    assert type(caught.value) is kind
