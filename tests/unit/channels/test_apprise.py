"""The channel for everything else."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from safelight.alerts.notification import Notification
from safelight.channels import Channel, Foreign
from safelight.channels import apprise as module
from safelight.channels.apprise import Apprise
from support.timeline import DAY

NOTE = Notification(
    "k", "a1", "oom", 3, "firing", "oom: VAEDecode", "显存不足", links={"logs": "http://127.0.0.1:8678/logs"}
)


def test_title_text_and_links_are_handed_over():
    talk = Apprise(name="other", url="ntfys://ntfy.sh/topic-s3cr3t").conversation(NOTE, DAY)
    step = next(talk)
    assert step == Foreign(
        "ntfys://ntfy.sh/topic-s3cr3t", "🔴 oom: VAEDecode", "显存不足\nLogs: http://127.0.0.1:8678/logs", None
    )
    assert "s3cr3t" not in repr(step)
    with pytest.raises(StopIteration) as end:
        talk.send("accepted")
    assert end.value.value == "accepted"


def test_its_yes_is_unverified():
    assert Channel.verified
    assert not Apprise.verified


def test_its_address_is_a_secret():
    channel = Apprise(name="other", url="ntfys://ntfy.sh/topic-s3cr3t")
    assert "s3cr3t" not in f"{channel!r} {channel.model_dump_json()}"
    assert channel.masked("no route ntfys://ntfy.sh/topic-s3cr3t") == "no route ***"


def test_without_the_library_the_mistake_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(module, "LIBRARY", "no_such_library")
    with pytest.raises(ValidationError, match=r'pip install "safelight\[apprise\]"'):
        Apprise(name="other", url="json://h/")


def test_a_proxy_it_would_not_use_is_a_mistake():
    with pytest.raises(ValidationError, match="leave it out"):
        Apprise(name="other", url="json://h/", proxy="http://127.0.0.1:3128")
