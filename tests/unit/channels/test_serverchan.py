"""ServerChan: two generations of keys, refusals with HTTP 400."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.serverchan import TEXT_MAX, TITLE_MAX, ServerChan
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHINESE, LINKS, note, tell
from support.timeline import DAY

WECHAT = ServerChan(name="wechat", key="SCT1Tabc")


@pytest.fixture
def server():
    with providers.ServerChan() as running:
        yield running


def channel(server, **fields):
    return ServerChan(**{"name": "wechat", "key": server.key, "server": server.url, "allow_private": True, **fields})


def form(notification):
    content = WECHAT.request(notification, DAY).content.decode()
    return {name: value for name, (value,) in parse_qs(content, keep_blank_values=True).items()}


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("SCT1Tabc", "https://sctapi.ftqq.com/SCT1Tabc.send"),
        ("sctp123tabc", "https://123.push.ft07.com/send/sctp123tabc.send"),
    ],
)
def test_the_key_says_where_to(key, url):
    assert str(ServerChan(name="wechat", key=key).request(note(), DAY).url) == url


def test_it_is_markdown_in_which_nothing_from_a_log_is_markup():
    said = form(note(text="[free](https://evil)\n# big", links={"run": "https://s.example/runs/1"}))
    assert said["desp"] == "\\[free\\](https://evil)\n\n\\# big\n\n[Run](https://s.example/runs/1)"


def test_what_is_over_is_green_and_what_may_repeat_says_so():
    assert form(note("x", status="resolved").in_doubt())["title"] == "🟢 [may repeat] x"


def test_a_free_account_is_kept_for_severity_3():
    assert WECHAT.severity == 3


@settings(max_examples=15, deadline=None)
@given(st.text(alphabet=st.sampled_from("中\n*[a😀"), min_size=1, max_size=8), st.integers(1, 12_000))
def test_any_text_fits(piece, times):
    said = form(note(piece * 10, piece * times))
    assert len(said["title"].encode("utf-16-le")) // 2 <= TITLE_MAX
    assert len(said["desp"].encode()) <= TEXT_MAX


def test_a_long_message_arrives(server):
    assert tell(channel(server), note(text=CHINESE, links=LINKS)) == "0"


def test_a_wrong_key_breaks_the_channel(server):
    with pytest.raises(ChannelBroken, match="错误的Key"):
        tell(channel(server, key="SCTwrong"), note())


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (providers.ServerChan.USED_UP, Retryable, 3600),
        (providers.ServerChan.NO_TITLE, DeliveryError, None),
        (Answer.of({"code": 50000, "message": "busy"}), Retryable, None),
        (Answer(503, b"<html>"), Retryable, None),
        (Answer(200, b"<html>"), Retryable, None),
    ],
)
def test_it_is_believed_by_its_code(server, answer, kind, after_s):
    server.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(server), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s
