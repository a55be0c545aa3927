"""Slack: blocks of plain text, and one word for an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.slack import HEADER_MAX, SECTION_MAX, TEXT_MAX, Slack, escape
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHINESE, LINKS, note, tell
from support.timeline import DAY

TEAM = Slack(name="team", url="https://hooks.slack.com/services/T000/B000/x")


def message(notification):
    return json.loads(TEAM.request(notification, DAY).content)


def blocks(notification, kind):
    return [block for block in message(notification)["attachments"][0]["blocks"] if block["type"] == kind]


@pytest.fixture
def hook():
    with providers.Slack() as running:
        yield running


def channel(hook):
    return Slack(name="team", url=hook.url, allow_private=True)


def test_it_has_a_bar_a_head_lines_and_buttons():
    said = message(note(links=LINKS))
    assert said["text"] == "🟠 oom: VAEDecode"
    assert said["attachments"][0]["color"] == "#f79009"
    assert [block["type"] for block in said["attachments"][0]["blocks"]] == ["header", "section", "actions"]
    assert not said["unfurl_links"]
    (actions,) = blocks(note(links=LINKS, language="zh-CN"), "actions")
    assert [one["text"]["text"] for one in actions["elements"]] == ["查看运行", "静默"]


def test_what_is_over_is_green_and_what_may_repeat_says_so():
    assert message(note(status="resolved").in_doubt())["text"] == "🟢 [may repeat] oom: VAEDecode"


@pytest.mark.parametrize("hostile", ["<!channel> a", "<@U123>", "<https://evil|free>", "*b* `c` & <!here>"])
def test_nothing_from_a_log_is_markup(hostile):
    said = message(note(hostile, hostile))
    assert "<" not in said["text"]
    texts = [block["text"] for block in said["attachments"][0]["blocks"]]
    assert {text["type"] for text in texts} == {"plain_text"}
    assert texts[1]["text"] == hostile
    assert escape("<&>") == "&lt;&amp;&gt;"


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from("中\n<a😀 "), min_size=1, max_size=8), st.integers(1, 6_000))
def test_any_text_fits(piece, times):
    long = note(piece * 50, piece * times)
    sections = [block["text"]["text"] for block in blocks(long, "section")]
    assert all(0 < len(text.encode("utf-16-le")) // 2 <= SECTION_MAX for text in sections)
    assert sum(map(len, sections)) <= TEXT_MAX
    (header,) = blocks(long, "header")
    assert len(header["text"]["text"]) <= HEADER_MAX


def test_sections_break_between_lines():
    lines = [f"line {number} " + "x" * 80 for number in range(90)]
    sections = [block["text"]["text"] for block in blocks(note(text="\n".join(lines)), "section")]
    assert len(sections) > 1
    assert "\n".join(sections).split("\n") == lines


def test_a_long_message_arrives(hook):
    assert tell(channel(hook), note(text=CHINESE, links=LINKS)) == "200 OK ok"


def test_a_link_that_is_too_long_is_left_out(hook):
    assert tell(channel(hook), note(links={"run": "https://s.example/" + "x" * 3000})) == "200 OK ok"


@pytest.mark.parametrize(
    "word",
    ["no_service", "no_team", "invalid_token", "action_prohibited", "channel_not_found", "channel_is_archived"],
)
def test_some_words_break_the_channel(hook, word):
    hook.answers(hook.word(word))
    with pytest.raises(ChannelBroken, match=word):
        tell(channel(hook), note())


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (Answer(400, b"invalid_payload"), DeliveryError, None),
        (Answer(400, b"something_new"), DeliveryError, None),
        (providers.Slack.TOO_FAST, Retryable, 30),
        (providers.Slack.ROLLUP, Retryable, None),
        (Answer(200, b"<html>login</html>"), Retryable, None),
    ],
)
def test_other_answers_mean_their_status(hook, answer, kind, after_s):
    hook.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(hook), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s


def test_a_webhook_that_was_removed_breaks_the_channel(hook):
    wrong = Slack(name="team", url=hook.url + "x", allow_private=True)
    with pytest.raises(ChannelBroken, match="no_service"):
        tell(wrong, note())
