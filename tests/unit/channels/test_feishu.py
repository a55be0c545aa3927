"""Feishu and Lark: signed, a card of plain text, and pictures for those who have an app."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.feishu import BODY_MAX, Feishu
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHART, CHINESE, LINKS, note, tell
from support.timeline import DAY

TEAM = Feishu(name="team", url="https://open.feishu.cn/open-apis/bot/v2/hook/x", secret="s3cret")


def card(notification, **fields):
    return json.loads(TEAM.model_copy(update=fields).request(notification, DAY).content)["card"]


def elements(notification, tag, **fields):
    return [element for element in card(notification, **fields)["elements"] if element["tag"] == tag]


@pytest.fixture
def bot():
    with providers.Feishu(secret="s3cret", keyword="oom") as running:
        yield running


def channel(bot, **fields):
    return Feishu(**{"name": "team", "url": bot.url, "secret": "s3cret", "allow_private": True, **fields})


@pytest.mark.parametrize(
    ("fields", "dot", "template"),
    [
        ({"severity": 3}, "🔴", "red"),
        ({"severity": 2}, "🟠", "orange"),
        ({"severity": 1}, "🔵", "blue"),
        ({"status": "resolved"}, "🟢", "green"),
    ],
)
def test_the_head_has_the_colour_of_the_severity(fields, dot, template):
    header = card(note(**fields))["header"]
    assert header["title"] == {"tag": "plain_text", "content": f"{dot} oom: VAEDecode"}
    assert header["template"] == template


def test_links_are_buttons_in_the_readers_language():
    (action,) = elements(note(links=LINKS, language="zh-CN"), "action")
    assert [(one["text"]["content"], one["url"]) for one in action["actions"]] == [
        ("查看运行", "https://s.example/runs/1"),
        ("静默", "https://s.example/do?token=a(b)"),
    ]


def test_what_may_repeat_says_so():
    assert card(note().in_doubt())["header"]["title"]["content"] == "🟠 [may repeat] oom: VAEDecode"


def test_nothing_from_a_log_is_markup():
    hostile = "<at id=all></at> [free](https://evil) **bold**"
    texts = [element["text"] for element in elements(note(hostile, hostile, severity=3), "div")]
    assert texts == [{"tag": "plain_text", "content": hostile}]


def test_mentions_are_ours_alone():
    fields = {"at_users": ("ou_1",), "at_all": True}
    assert elements(note("<at id=2>", severity=3), "div", **fields)[-1]["text"] == {
        "tag": "lark_md",
        "content": "<at id=ou_1></at><at id=all></at>",
    }
    assert len(elements(note(severity=2), "div", **fields)) == 1


def test_a_keyword_is_added_where_it_is_missing():
    assert elements(note(), "note", keyword="safelight")
    assert not elements(note(), "note", keyword="CUDA")


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from('中"\\\n<a😀\x7f'), min_size=1, max_size=8), st.integers(1, 12_000))
def test_any_text_fits(piece, times):
    content = TEAM.request(note(text=piece * times, links=LINKS), DAY).content
    assert len(content) <= BODY_MAX
    assert json.loads(content)["card"]["elements"][-1]["tag"] == "action"


def test_a_signed_card_arrives(bot):
    assert tell(channel(bot), note(text=CHINESE, links=LINKS, chart=CHART)) == "0 success"
    assert len(bot.received) == 1


def test_with_an_app_the_card_has_the_picture(bot):
    app_id, app_secret = bot.app
    assert tell(channel(bot, app_id=app_id, app_secret=app_secret), note(chart=CHART)) == "0 success"
    assert [request.path for request in bot.received] == [bot.LOGIN, bot.UPLOAD, bot.path]
    (image,) = [one for one in bot.received[-1].json["card"]["elements"] if one["tag"] == "img"]
    assert image["img_key"] == bot.image_key


@pytest.mark.parametrize("lost", [Answer(502), Answer(hang=True), Answer.of({"code": 99991663, "msg": "x"})])
def test_without_a_picture_the_card_goes_all_the_same(bot, lost):
    app_id, app_secret = bot.app
    bot.answers(lost)
    assert tell(channel(bot, app_id=app_id, app_secret=app_secret), note(chart=CHART)) == "0 success"
    assert tell(channel(bot, app_id=app_id, app_secret="wrong"), note(chart=CHART)) == "0 success"
    assert [len(bot.accepted()), bot.received[-1].path] == [2, bot.path]


def test_a_wrong_secret_or_none_breaks_the_channel(bot):
    for secret in ("wrong", None):
        with pytest.raises(ChannelBroken, match="19021"):
            tell(channel(bot, secret=secret), note())


def test_a_missing_keyword_is_told_with_the_remedy(bot):
    with pytest.raises(ChannelBroken, match=r"Key Words Not Found.*set keyword"):
        tell(channel(bot), note("disk full", "no space left"))


@pytest.mark.parametrize(
    ("answer", "kind", "after_s"),
    [
        (providers.Feishu.BAD_TOKEN, ChannelBroken, None),
        (providers.Feishu.BAD_IP, ChannelBroken, None),
        (providers.Feishu.BAD_PARAMETER, DeliveryError, None),
        (providers.Feishu.BAD_BODY, DeliveryError, None),
        (providers.Feishu.TOO_FAST, Retryable, 60),
        (providers.Feishu.TOO_MANY, Retryable, 60),
        (Answer.of({"code": 424242, "msg": "x"}), Retryable, None),
        (Answer.of({"code": 0, "msg": "success"}, 503), Retryable, None),
        (Answer(200, b"<html>"), Retryable, None),
    ],
)
def test_it_is_believed_by_its_code(bot, answer, kind, after_s):
    bot.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(bot), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s
