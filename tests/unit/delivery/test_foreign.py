"""Through the Apprise library, to a peer on loopback."""

from __future__ import annotations

import logging
import sys

import anyio
import pytest

from safelight.channels import Foreign
from safelight.delivery import foreign
from safelight.delivery.foreign import YES, hand_over
from safelight.errors import ChannelBroken, Retryable
from support.providers import Answer, Provider

PICTURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def peer():
    with Provider() as running:
        yield running


def url(peer):
    return f"json://127.0.0.1:{peer.port}/alert?+X-Key=s3cr3t-s3cr3t"


def send(address, picture=None):
    return anyio.run(hand_over, Foreign(address, "标题", "line 1\nline 2", picture))


def test_title_text_and_picture_arrive(peer):
    assert send(url(peer), PICTURE) == YES
    told = peer.received[0].json
    assert (told["title"], told["message"]) == ("标题", "line 1\nline 2")
    assert told["attachments"][0]["filename"] == "chart.png"


def test_its_no_is_tried_again(peer):
    peer.answers(*[Answer(500)] * 9)
    with pytest.raises(Retryable):
        send(url(peer))


def test_an_address_it_does_not_know_is_a_mistake_and_not_repeated():
    with pytest.raises(ChannelBroken) as caught:
        send("nosuch://s3cr3t-s3cr3t")
    assert "s3cr3t" not in str(caught.value)


def test_its_log_is_silent(peer, caplog):
    with caplog.at_level(logging.DEBUG):
        send(url(peer))
        with pytest.raises(ChannelBroken):
            send("nosuch://s3cr3t-s3cr3t")
    assert [record for record in caplog.records if record.name.startswith("apprise")] == []


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    foreign._library.cache_clear()
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ChannelBroken, match=r'pip install "safelight\[apprise\]"'):
        send("json://127.0.0.1/")
