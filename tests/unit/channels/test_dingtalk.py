"""DingTalk: signed once, cut in bytes, believed only by its errcode."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.dingtalk import BLOCKED_S, BODY_MAX, CODES, DingTalk, signature
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import CHINESE, LINKS, note, tell
from support.timeline import DAY

TEAM = DingTalk(name="team", url="https://oapi.dingtalk.com/robot/send?access_token=t0ken", secret="SECabc")


def body(notification, **fields):
    return json.loads(TEAM.model_copy(update=fields).request(notification, DAY).content)


def markdown(notification, **fields):
    return body(notification, **fields)["markdown"]


@pytest.fixture
def robot():
    with providers.DingTalk(secret="SECabc", keyword="oom") as running:
        yield running


def channel(robot, **fields):
    return DingTalk(**{"name": "team", "url": robot.url, "secret": "SECabc", "allow_private": True, **fields})


def test_the_signature_is_url_encoded_once():
    url = TEAM.request(note(), DAY).url
    timestamp, sign = url.params["timestamp"], url.params["sign"]
    mac = hmac.new(b"SECabc", f"{timestamp}\nSECabc".encode(), hashlib.sha256).digest()
    assert sign == base64.b64encode(mac).decode()
    assert int(timestamp) == int(DAY.timestamp() * 1000)
    assert url.params["access_token"] == "t0ken"
    assert "%25" not in str(url)


@given(st.integers(0, 2**41), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
def test_any_signature_survives_the_url(timestamp, secret):
    decoded = httpx.URL("https://x/?sign=" + signature(timestamp, secret)).params["sign"]
    mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    assert decoded == base64.b64encode(mac).decode()


def test_without_a_secret_the_url_is_sent_as_it_is():
    plain = DingTalk(name="team", url="https://oapi.dingtalk.com/robot/send?access_token=t0ken")
    assert str(plain.request(note(), DAY).url) == "https://oapi.dingtalk.com/robot/send?access_token=t0ken"


def test_it_is_markdown_with_title_and_lines():
    said = markdown(note(text="first\nsecond"))
    assert said == {"title": "oom: VAEDecode", "text": "#### 🟠 oom: VAEDecode  \nfirst  \nsecond"}


def test_what_is_over_is_green():
    assert markdown(note(status="resolved"))["text"].startswith("#### 🟢 ")


def test_links_are_buttons_of_a_card():
    card = body(note(links=LINKS, language="zh-CN").in_doubt())
    assert card["msgtype"] == "actionCard"
    assert card["actionCard"]["title"] == "[可能重复] oom: VAEDecode"
    assert card["actionCard"]["btns"] == [
        {"title": "查看运行", "actionURL": "https://s.example/runs/1"},
        {"title": "静默", "actionURL": "https://s.example/do?token=a(b)"},
    ]


def test_who_is_mentioned_stands_in_the_text_and_the_links_too():
    message = body(note(severity=3, links=LINKS), at_mobiles=("13800001111",), at_users=("ann",), at_all=True)
    assert message["msgtype"] == "markdown"
    assert message["at"] == {"atMobiles": ["13800001111"], "atUserIds": ["ann"], "isAtAll": True}
    assert message["markdown"]["text"].endswith(
        "[Run](https://s.example/runs/1)  \n[Silence](https://s.example/do?token=a%28b%29)  \n@13800001111 @ann"
    )


def test_below_its_severity_nobody_is_mentioned():
    assert "at" not in body(note(severity=2), at_mobiles=("13800001111",))


def test_a_keyword_is_added_where_it_is_missing():
    assert markdown(note(), keyword="[safelight]")["text"].endswith("  \n[safelight]")
    assert markdown(note(), keyword="oom")["text"].count("oom") == 1


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from('中"\\\n*[a😀\x7f'), min_size=1, max_size=8), st.integers(1, 12_000))
def test_any_text_fits(piece, times):
    content = TEAM.request(note(text=piece * times, links=LINKS), DAY).content
    assert len(content) <= BODY_MAX
    assert json.loads(content)["actionCard"]["btns"]


def test_a_long_text_uses_the_room_there_is():
    content = TEAM.request(note(text=CHINESE), DAY).content
    assert BODY_MAX - 20 < len(content) <= BODY_MAX
    assert json.loads(content)["markdown"]["text"].endswith("…")


def test_a_signed_message_arrives(robot):
    assert tell(channel(robot), note(links=LINKS)) == "0 ok"
    assert tell(channel(robot, at_mobiles=["13800001111"]), note(severity=3)) == "0 ok"
    assert [request.json["msgtype"] for request in robot.accepted()] == ["actionCard", "markdown"]
    assert robot.received[0].key == "a1.1.team"


def test_a_wrong_secret_or_none_breaks_the_channel(robot):
    for secret in ("SECwrong", None):
        with pytest.raises(ChannelBroken, match="310000"):
            tell(channel(robot, secret=secret), note())


def test_a_missing_keyword_is_told_with_the_remedy(robot):
    with pytest.raises(ChannelBroken, match=r"keywords not in content.*set keyword"):
        tell(channel(robot), note("disk full", "no space left", rule="disk"))
    assert tell(channel(robot, keyword="oom"), note("disk full", "no space left", rule="disk")) == "0 ok"


def test_too_fast_waits_out_the_ten_minutes():
    with providers.DingTalk(per_minute=1) as robot:
        tell(channel(robot), note())
        with pytest.raises(Retryable) as caught:
            tell(channel(robot), note())
    assert caught.value.after_s == BLOCKED_S == 600


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (providers.DingTalk.BAD_TOKEN, ChannelBroken),
        (Answer.of({"errcode": 400102, "errmsg": "x"}), ChannelBroken),
        (providers.DingTalk.TOO_LONG, DeliveryError),
        (providers.DingTalk.BAD_BODY, DeliveryError),
        (providers.DingTalk.BUSY, Retryable),
        (Answer.of({"errcode": 999999, "errmsg": "x"}), Retryable),
        (Answer.of({"errcode": 0, "errmsg": "ok"}, 503), Retryable),
        (Answer(200, b"<html>login</html>"), Retryable),
        (Answer.of({"errmsg": "ok"}), Retryable),
    ],
)
def test_it_is_believed_by_its_errcode(robot, answer, kind):
    robot.answers(answer)
    with pytest.raises(DeliveryError) as caught:
        tell(channel(robot), note())
    assert type(caught.value) is kind


def test_no_code_is_in_two_lists():
    assert not set(CODES.broken) & set(CODES.for_good)
    assert not CODES.waits_s.keys() & {*CODES.broken, *CODES.for_good}
