"""Text messages through Alibaba Cloud."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.channels.sms_aliyun import AliyunSms, authorization, canonical_query
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support import providers
from support.providers import Answer
from support.telling import note, tell
from support.timeline import DAY


@pytest.fixture
def cloud():
    with providers.AliyunSms() as running:
        yield running


def channel(cloud, **fields):
    key_id, secret = cloud.key
    known = {**AliyunSms.example, "key_id": key_id, "key_secret": secret, "server": cloud.url, "allow_private": True}
    return AliyunSms(**{**known, **fields})


@pytest.mark.parametrize(
    ("date", "nonce", "signature"),
    [
        (
            "2023-10-26T10:22:32Z",
            "3156853299f313e23d1673dc12e1703d",
            "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
        ),
        (
            "2023-10-26T09:01:01Z",
            "d410180a5abf7fe235dd9b74aca91fc0",
            "e521358f7776c97df52e6b2891a8bc73026794a071b50c3323388c4e0df64804",
        ),
    ],
)
def test_the_signature_is_that_of_the_official_examples(date, nonce, signature):
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": date,
        "x-acs-signature-nonce": nonce,
        "x-acs-version": "2014-05-26",
    }
    query = canonical_query(
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    )
    assert authorization("YourAccessKeyId", "YourAccessKeySecret", query, headers) == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        f"x-acs-signature-nonce;x-acs-version,Signature={signature}"
    )


def test_a_signed_message_arrives_at_every_number(cloud):
    fields = {"to": ["+8613800000000", "+8613900000000"], "variables": {"title": "title", "name": "service"}}
    said = tell(channel(cloud, **fields), note("显存不足 & 100% ~*'()", labels={"service": "修图"}))
    assert said == "OK 9006197469364984^0"
    (request,) = cloud.accepted()
    assert request.query["PhoneNumbers"] == "+8613800000000,+8613900000000"
    assert json.loads(request.query["TemplateParam"]) == {"title": "显存不足 & 100% ~*'()", "name": "修图"}


def test_each_attempt_has_a_nonce_of_its_own_and_the_same_attempt_the_same():
    sms = AliyunSms.model_validate(AliyunSms.example)
    nonces = [sms.request(note(), at).headers["x-acs-signature-nonce"] for at in (DAY, DAY, DAY.replace(second=1))]
    assert nonces[0] == nonces[1] != nonces[2]


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=60))
def test_any_title_is_signed_as_it_is_sent(title):
    request = AliyunSms.model_validate(AliyunSms.example).request(note(title), DAY)
    decoded = json.loads(request.url.params["TemplateParam"])["title"]
    assert 0 < len(decoded) <= 35
    assert request.url.query.decode() == canonical_query(dict(request.url.params))


def test_a_wrong_key_breaks_the_channel(cloud):
    with pytest.raises(ChannelBroken, match="InvalidAccessKeyId"):
        tell(channel(cloud, key_id="LTAIwrong"), note())
    with pytest.raises(ChannelBroken, match="SignatureDoesNotMatch"):
        tell(channel(cloud, key_secret="wrong"), note())


@pytest.mark.parametrize(
    ("code", "kind", "after_s"),
    [
        ("isv.BUSINESS_LIMIT_CONTROL", Retryable, 3600),
        ("isv.DAY_LIMIT_CONTROL", Retryable, 3600),
        ("Throttling.User", Retryable, 60),
        ("isp.SYSTEM_ERROR", Retryable, None),
        ("isv.AMOUNT_NOT_ENOUGH", ChannelBroken, None),
        ("isv.SMS_TEMPLATE_ILLEGAL", ChannelBroken, None),
        ("isv.SMS_SIGNATURE_ILLEGAL", ChannelBroken, None),
        ("Forbidden.RAM", ChannelBroken, None),
        ("isv.SMS_CONTENT_ILLEGAL", DeliveryError, None),
        ("isv.PARAM_LENGTH_LIMIT", DeliveryError, None),
    ],
)
def test_http_200_says_nothing(cloud, code, kind, after_s):
    cloud.answers(cloud.error(code, "words"))
    with pytest.raises(DeliveryError, match=code) as caught:
        tell(channel(cloud), note())
    assert type(caught.value) is kind
    assert getattr(caught.value, "after_s", None) == after_s


def test_what_is_no_answer_is_tried_again(cloud):
    cloud.answers(Answer(200, b"<html>"))
    with pytest.raises(Retryable):
        tell(channel(cloud), note())


def test_it_is_kept_for_severity_3_and_has_no_digest():
    sms = AliyunSms.model_validate(AliyunSms.example)
    assert (sms.severity, sms.digest) == (3, False)
