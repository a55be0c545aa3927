"""DingTalk: signed once, cut in bytes, believed only by its errcode."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.alerts.notification import Notification
from safelight.channels.dingtalk import BLOCKED_S, BODY_MAX, FOR_GOOD, TOO_FAST, DingTalk, escape, fitting
from safelight.errors import DeliveryError, Retryable
from support.timeline import DAY

TEAM = DingTalk(name="team", url="https://oapi.dingtalk.com/robot/send?access_token=t0ken", secret="SECabc")


def note(title="oom: VAEDecode", text="CUDA out of memory", **fields):
    return Notification("a1.1.team", "a1", "oom", 2, "firing", title, text, **fields)


def markdown(request_or_body):
    return json.loads(getattr(request_or_body, "content", request_or_body))["markdown"]


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
    from safelight.channels.dingtalk import signature

    decoded = httpx.URL("https://x/?sign=" + signature(timestamp, secret)).params["sign"]
    mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256).digest()
    assert decoded == base64.b64encode(mac).decode()


def test_without_a_secret_the_url_is_sent_as_it_is():
    plain = DingTalk(name="team", url="https://oapi.dingtalk.com/robot/send?access_token=t0ken")
    assert str(plain.request(note(), DAY).url) == "https://oapi.dingtalk.com/robot/send?access_token=t0ken"


def test_it_is_markdown_with_title_lines_and_link():
    said = markdown(TEAM.request(note(text="first\nsecond", links={"logs": "https://s.example/logs?q=a(b)"}), DAY))
    assert said["title"] == "oom: VAEDecode"
    assert said["text"].split("  \n") == [
        "#### 🔴 oom: VAEDecode",
        "first",
        "second",
        "[Logs](https://s.example/logs?q=a%28b%29)",
    ]


def test_the_words_it_adds_are_in_the_language_of_the_message():
    said = markdown(TEAM.request(note(links={"logs": "https://x/"}, language="zh-CN").in_doubt(), DAY))
    assert "[查看日志](" in said["text"]
    assert said["title"].startswith("[可能重复]")


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("[free](https://evil)", r"\[free\](https://evil)"),
        ("![x](https://evil/track.png)", r"!\[x\](https://evil/track.png)"),
        ("**bold** `code`", r"\*\*bold\*\* \`code\`"),
        ("# heading", r"\# heading"),
        ("> quote", r"\> quote"),
        ("- item", r"\- item"),
        ("1. item", r"\1. item"),
        ("<font color=red>", r"\<font color=red>"),
        ("_em_ gpu_oom", r"\_em\_ gpu_oom"),
        ("back\\slash", r"back\\slash"),
        ("显存不足", "显存不足"),
    ],
)
def test_markup_in_a_message_is_text(hostile, harmless):
    assert escape(hostile) == harmless


@given(st.text(alphabet="[]()!*_`<>#\\ a\n中", max_size=60))
def test_nothing_makes_a_link_or_a_picture(value):
    assert not re.search(r"(?<!\\)(\\\\)*\]\(", escape(value))


def test_a_short_body_is_whole_and_a_long_one_is_cut_to_its_bytes():
    assert "…" not in markdown(fitting(note()))["text"]
    body = fitting(note(text="显存不足\n" * 5000, links={"logs": "https://s.example/logs"}))
    assert BODY_MAX - 20 < len(body) <= BODY_MAX
    said = markdown(body)["text"]
    assert said.endswith("[Logs](https://s.example/logs)")
    assert "�" not in said


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.sampled_from('中"\\\n*[a😀\x7f'), min_size=1, max_size=8), st.integers(1, 12_000))
def test_any_text_fits(piece, times):
    body = fitting(note(text=piece * times))
    assert len(body) <= BODY_MAX
    body.decode()


def answer(code, message="x", status=200):
    return httpx.Response(status, json={"errcode": code, "errmsg": message})


def test_errcode_0_is_yes():
    assert TEAM.verdict(answer(0, "ok")) == "0 ok"


@pytest.mark.parametrize("code", sorted(FOR_GOOD))
def test_what_cannot_get_better_is_refused_for_good(code):
    with pytest.raises(DeliveryError, match=str(code)) as caught:
        TEAM.verdict(answer(code))
    assert not isinstance(caught.value, Retryable)


@pytest.mark.parametrize("code", sorted(TOO_FAST))
def test_too_fast_waits_out_the_ten_minutes(code):
    with pytest.raises(Retryable, match=str(code)) as caught:
        TEAM.verdict(answer(code))
    assert caught.value.after_s == BLOCKED_S == 600


@pytest.mark.parametrize("code", [-1, 999999])
def test_busy_and_unknown_codes_are_tried_again(code):
    with pytest.raises(Retryable) as caught:
        TEAM.verdict(answer(code))
    assert caught.value.after_s is None


@pytest.mark.parametrize("body", [b"", b"<html>login</html>", b"[]", b'"ok"', b"{}", b'{"errcode":"x"}', b"\xff\xfe"])
def test_http_200_without_an_errcode_is_no_yes(body):
    with pytest.raises(Retryable):
        TEAM.verdict(httpx.Response(200, content=body))


def test_an_http_error_is_one_whatever_the_body_says():
    with pytest.raises(Retryable):
        TEAM.verdict(answer(0, "ok", status=503))
