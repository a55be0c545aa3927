"""ntfy: published as JSON, in Chinese too."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.ntfy import MESSAGE_MAX, TITLE_MAX, Ntfy
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHINESE, LINKS, note, tell
from support.timeline import DAY

PHONE = Ntfy(name="phone", topic="studio")


def message(notification):
    return json.loads(PHONE.request(notification, DAY).content)


@pytest.fixture
def server():
    with providers.Ntfy(token="tk_s3cret") as running:
        yield running


def channel(server, **fields):
    known = {"name": "phone", "topic": server.topic, "token": "tk_s3cret", "server": server.url, "allow_private": True}
    return Ntfy(**{**known, **fields})


def test_it_has_priority_tag_click_and_at_most_three_buttons():
    links = {**LINKS, "acknowledge": "https://s.example/ack", "replay": "https://s.example/again"}
    said = message(note("显存不足", severity=3, links=links, language="zh-CN"))
    assert said["title"] == "显存不足"
    assert (said["priority"], said["tags"]) == (5, ["red_circle"])
    assert said["click"] == "https://s.example/runs/1"
    assert [action["label"] for action in said["actions"]] == ["查看运行", "静默", "确认"]


def test_what_is_over_is_green_and_quiet_and_what_may_repeat_says_so():
    said = message(note(severity=3, status="resolved").in_doubt())
    assert (said["priority"], said["tags"], said["title"]) == (3, ["green_circle"], "[may repeat] oom: VAEDecode")


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from("中\n<*a😀"), min_size=1, max_size=8), st.integers(1, 6_000))
def test_any_text_fits(piece, times):
    said = message(note(piece * 60, piece * times))
    assert len(said["message"].encode()) <= MESSAGE_MAX
    assert len(said["title"]) <= TITLE_MAX


def test_a_long_message_arrives(server):
    assert tell(channel(server), note(text=CHINESE, links=LINKS)) == "200 message hwQ2YpKdmg"


@pytest.mark.parametrize("fields", [{"token": None}, {"token": "tk_wrong"}, {"topic": "no such topic"}])
def test_a_wrong_token_or_topic_breaks_the_channel(server, fields):
    with pytest.raises(ChannelBroken):
        tell(channel(server, **fields), note())


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (providers.Ntfy.error(42901, "limit reached: too many requests, please be nice"), Retryable, None),
        (providers.Ntfy.error(42908, "limit reached: daily message quota reached"), Retryable, 3600),
        (providers.Ntfy.error(41303, "JSON body too large"), DeliveryError, None),
        (providers.Ntfy.error(50001, "internal server error"), Retryable, None),
        (Answer.of({"id": "x"}), Retryable, None),
        (Answer(404, b"<html>"), DeliveryError, None),
    ],
)
def test_other_answers_are_read_by_status_and_code(server, answer, kind, after_s):
    server.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(server), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s
