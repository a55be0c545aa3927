"""Text messages through Tencent Cloud."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from safelight.channels.sms_tencent import TencentSms, authorization
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import note, tell


@pytest.fixture
def cloud():
    with providers.TencentSms() as running:
        yield running


def channel(cloud, **fields):
    key_id, secret = cloud.key
    known = {**TencentSms.example, "key_id": key_id, "key_secret": secret, "server": cloud.url, "allow_private": True}
    return TencentSms(**{**known, **fields})


def test_the_signature_is_that_of_the_official_example():
    body = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    headers = {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"}
    at = datetime.fromtimestamp(1551113065, UTC)
    key_id, secret = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
    assert authorization(key_id, secret, "cvm", at, headers, body) == (
        f"TC3-HMAC-SHA256 Credential={key_id}/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )


def test_a_signed_message_arrives_at_every_number(cloud):
    to = ["+8613800000000", "+8613900000000"]
    said = tell(
        channel(cloud, to=to, variables=["title", "severity"]), note("显存不足，请降低分辨率或批量大小", severity=3)
    )
    assert said == "Ok 2/2"
    (request,) = cloud.accepted()
    assert request.json["PhoneNumberSet"] == to
    assert request.json["TemplateParamSet"] == ["显存不足，请降低分辨率…", "3"]
    assert request.headers["x-tc-region"] == "ap-guangzhou"


def test_a_wrong_key_breaks_the_channel(cloud):
    with pytest.raises(ChannelBroken, match="SecretIdNotFound"):
        tell(channel(cloud, key_id="AKIDwrong"), note())
    with pytest.raises(ChannelBroken, match="SignatureFailure"):
        tell(channel(cloud, key_secret="wrong"), note())


def test_one_number_reached_is_yes_and_the_other_is_named(cloud):
    cloud.answers(cloud.sent("LimitExceeded.PhoneNumberDailyLimit", "Ok"))
    assert tell(channel(cloud), note()) == "Ok 1/2 LimitExceeded.PhoneNumberDailyLimit"


@pytest.mark.parametrize(
    ("code", "kind", "after_s"),
    [
        ("LimitExceeded.PhoneNumberThirtySecondLimit", Retryable, 30),
        ("LimitExceeded.PhoneNumberDailyLimit", Retryable, 3600),
        ("InternalError.Timeout", Retryable, None),
        ("FailedOperation.SignatureIncorrectOrUnapproved", ChannelBroken, None),
        ("FailedOperation.TemplateIncorrectOrUnapproved", ChannelBroken, None),
        ("FailedOperation.InsufficientBalanceInSmsPackage", ChannelBroken, None),
        ("UnauthorizedOperation.RequestIpNotInWhitelist", ChannelBroken, None),
        ("FailedOperation.ContainSensitiveWord", DeliveryError, None),
        ("InvalidParameterValue.TemplateParameterLengthLimit", DeliveryError, None),
    ],
)
def test_a_number_that_was_not_reached_says_why(cloud, code, kind, after_s):
    cloud.answers(cloud.sent(code, code))
    with pytest.raises(DeliveryError, match=code) as caught:
        tell(channel(cloud), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s


@pytest.mark.parametrize(
    ("code", "after_s"), [("AuthFailure.SignatureExpire", 60), ("RequestLimitExceeded.IPLimitExceeded", 10)]
)
def test_a_clock_that_is_off_and_a_rate_pass(cloud, code, after_s):
    cloud.answers(cloud.error(code))
    with pytest.raises(Retryable) as caught:
        tell(channel(cloud), note())
    assert caught.value.after_s == after_s


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"Response": {}}', b'{"Response": {"SendStatusSet": [1]}}'])
def test_what_is_no_answer_is_tried_again(cloud, body):
    cloud.answers(Answer(200, body))
    with pytest.raises(Retryable):
        tell(channel(cloud), note())
