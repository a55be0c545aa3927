"""WeCom: markdown of 4,096 bytes, text of 2,048 where somebody is mentioned, then the picture."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.wecom import MARKDOWN_MAX, TEXT_MAX, WeCom, plain
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHART, CHINESE, LINKS, note, tell
from support.timeline import DAY

TEAM = WeCom(name="team", url="https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0")
ANN = {"at_mobiles": ("13800001111",), "at_users": ("ann",), "at_all": True}


def body(notification, **fields):
    return json.loads(TEAM.model_copy(update=fields).request(notification, DAY).content)


@pytest.fixture
def robot():
    with providers.WeCom() as running:
        yield running


def channel(robot, **fields):
    return WeCom(name="team", url=robot.url, allow_private=True, **fields)


def test_it_is_markdown_with_title_lines_and_links():
    content = body(note(text="first\nsecond", links=LINKS))["markdown"]["content"]
    assert content == (
        "**🟠 oom: VAEDecode**\nfirst\nsecond\n"
        "[Run](https://s.example/runs/1) · [Silence](https://s.example/do?token=a%28b%29)"
    )


def test_what_is_over_is_green_and_what_may_repeat_says_so():
    content = body(note(status="resolved", language="zh-CN").in_doubt())["markdown"]["content"]
    assert content.startswith("**🟢 [可能重复] oom: VAEDecode**")


def test_mentions_come_as_text():
    message = body(note(severity=3, links=LINKS), **ANN)
    assert message["msgtype"] == "text"
    assert message["text"]["mentioned_list"] == ["ann", "@all"]
    assert message["text"]["mentioned_mobile_list"] == ["13800001111"]
    assert message["text"]["content"].endswith("Silence: https://s.example/do?token=a(b)")
    assert body(note(severity=2), **ANN)["msgtype"] == "markdown"


@given(st.text(alphabet="<@all>[]()*`# >!\n中a", max_size=60))
def test_nothing_from_a_log_mentions_links_or_styles(value):
    shown = plain(value)
    assert shown.replace("\u200b", "") == value.replace("`", "'")
    assert not re.search(r"<[@a]|\]\(|\*\*|`", shown)
    assert not re.search(r"^[#>]", shown, re.MULTILINE)


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from('中"\\\n*[<a😀'), min_size=1, max_size=8), st.integers(1, 4_000))
def test_any_text_fits(piece, times):
    long = note(text=piece * times, links=LINKS, severity=3)
    assert len(body(long)["markdown"]["content"].encode()) <= MARKDOWN_MAX
    assert len(body(long, **ANN)["text"]["content"].encode()) <= TEXT_MAX


def test_a_long_text_uses_the_room_there_is():
    content = body(note(text=CHINESE))["markdown"]["content"]
    assert MARKDOWN_MAX - 3 <= len(content.encode()) <= MARKDOWN_MAX


def test_the_words_arrive_and_then_the_picture(robot):
    assert tell(channel(robot), note(text=CHINESE, links=LINKS, chart=CHART)) == "0 ok"
    assert [request.json["msgtype"] for request in robot.accepted()] == ["markdown", "image"]


@pytest.mark.parametrize("answer", [providers.WeCom.TOO_FAST, Answer(502), Answer(hang=True)])
def test_a_lost_picture_does_not_tell_the_words_twice(robot, answer):
    robot.answers(providers.WeCom.OK, answer)
    assert tell(channel(robot), note(chart=CHART)) == "0 ok"
    assert len(robot.received) == 2


def test_mentions_arrive(robot):
    assert tell(channel(robot, **ANN), note(severity=3, text=CHINESE)) == "0 ok"


def test_a_wrong_key_breaks_the_channel(robot):
    wrong = WeCom(name="team", url=robot.url + "x", allow_private=True)
    with pytest.raises(ChannelBroken, match="93000 invalid webhook url"):
        tell(wrong, note())


def test_too_fast_waits_a_minute():
    with providers.WeCom(per_minute=1) as robot:
        tell(channel(robot), note())
        with pytest.raises(Retryable) as caught:
            tell(channel(robot), note())
    assert caught.value.after_s == 60


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer.of({"errcode": 93004, "errmsg": "robot is disabled"}), ChannelBroken),
        (Answer.of({"errcode": 93000, "errmsg": "Invalid input : content exceed max length."}), DeliveryError),
        (providers.WeCom.TOO_LONG, DeliveryError),
        (providers.WeCom.BUSY, Retryable),
        (Answer.of({"errcode": 0, "errmsg": "ok"}, 503), Retryable),
        (Answer(200, b"ok"), Retryable),
        (Answer(403, b"forbidden"), DeliveryError),
    ],
)
def test_it_is_believed_by_its_errcode(robot, answer, kind):
    robot.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(robot), note())
    assert type(caught.value) is kind
