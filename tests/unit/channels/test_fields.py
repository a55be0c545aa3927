"""Fields that several channels have, and how a mistake in them reads."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from safelight.channels.dingtalk import DingTalk
from safelight.channels.feishu import Feishu
from safelight.channels.fields import AccountSid, Digits, PhoneNumber, ServerUrl, UserId


def test_a_server_loses_the_slash_at_its_end():
    assert TypeAdapter(ServerUrl).validate_python("https://ntfy.example.com/base/") == "https://ntfy.example.com/base"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ServerUrl, "push.example.com"),
        (ServerUrl, "ftp://ntfy.example.com"),
        (ServerUrl, "https://ntfy.example.com/?a=1"),
        (ServerUrl, "https://ann:secret@ntfy.example.com"),
        (ServerUrl, "https://[::1"),
        (PhoneNumber, "call me"),
        (PhoneNumber, "+86 138 0000 0000"),
        (UserId, "<@all>"),
        (Digits, "12a"),
        (AccountSid, "SK123"),
    ],
)
def test_a_mistake_is_told_without_the_value(kind, value):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    (error,) = caught.value.errors()
    assert error["type"] == "channel"
    assert value not in str(error["ctx"]["error"])
    assert error["ctx"]["error"].render("zh-CN") != str(error["ctx"]["error"])


def test_half_an_app_is_a_mistake():
    with pytest.raises(ValidationError, match="belong together"):
        Feishu(name="team", url="https://open.feishu.cn/open-apis/bot/v2/hook/x", app_id="cli_1")


def test_who_is_mentioned_is_checked():
    with pytest.raises(ValidationError, match="user id"):
        DingTalk(name="team", url="https://oapi.dingtalk.com/robot/send?access_token=x", at_users=["a b"])
