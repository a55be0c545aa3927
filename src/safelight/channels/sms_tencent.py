r"""Text messages through Tencent Cloud (腾讯云短信), which answers HTTP 200 with an error inside.

Facts from https://cloud.tencent.com/document/api/382/55981 (SendSms 2021-01-11, 200 numbers a call),
https://cloud.tencent.com/document/api/382/52075 and https://cloud.tencent.com/document/api/382/59177 (codes; 12
characters a variable unless the account is a company's) and https://cloud.tencent.com/document/api/382/52072
(TC3-HMAC-SHA256). A text is a template that Tencent has approved; what fills its variables is short and has no links.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import Field, SecretStr

from ..alerts.notification import Notification
from ..errors import Retryable
from . import Channel, accepted
from .fields import Digits, PhoneNumber, ServerUrl
from .sms import Variable, filled
from .verdicts import Codes, spoken, words

HOUR_S: Final = 3600.0

CODES: Final = Codes(
    waits_s={
        "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
        "LimitExceeded.DeliveryFrequencyLimit": 60.0,
        "LimitExceeded.PhoneNumberOneHourLimit": HOUR_S,
        "LimitExceeded.PhoneNumberDailyLimit": HOUR_S,
        "LimitExceeded.AppDailyLimit": HOUR_S,
        "LimitExceeded.DailyLimit": HOUR_S,
        "AuthFailure.SignatureExpire": 60.0,  # a clock is off by more than five minutes
        "RequestLimitExceeded": 10.0,
    },
    for_good={
        "FailedOperation.ContainSensitiveWord",
        "InvalidParameter.DirtyWordFound",
        "InvalidParameterValue.ContentLengthLimit",
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter",
        "InvalidParameterValue.TemplateParameterFormatError",
        "InvalidParameterValue.TemplateParameterLengthLimit",
        "LimitExceeded.PhoneNumberSameContentDailyLimit",
    },
    broken={
        "AuthFailure",
        "UnauthorizedOperation",
        "UnsupportedOperation",
        "IpInBlacklist",
        "IpNotInWhitelist",
        "FailedOperation.InsufficientBalanceInSmsPackage",
        "FailedOperation.PhoneNumberInBlacklist",
        "FailedOperation.PhoneNumberOnBlacklist",
        "FailedOperation.SignatureIncorrectOrUnapproved",
        "FailedOperation.TemplateIncorrectOrUnapproved",
        "FailedOperation.TemplateParamSetNotMatchApprovedTemplate",
        "InvalidParameter.AppidAndBizId",
        "InvalidParameterValue.IncorrectPhoneNumber",
        "InvalidParameterValue.SdkAppIdNotExist",
        "LimitExceeded.PhoneNumberCountLimit",
    },
)
"""Codes that are in none of them, such as InternalError.Timeout, are tried again."""


class TencentSms(Channel):
    """Sends a text message to each of `to`, by a template of yours such as `Safelight 告警：{1}，请处理。`."""

    type: Literal["sms_tencent"] = "sms_tencent"
    key_id: SecretStr
    """SecretId of a user who may send text messages, as env:NAME or file:PATH."""
    key_secret: SecretStr
    """SecretKey of that user, as env:NAME or file:PATH."""
    app: Digits
    """SdkAppId, such as 1400006666."""
    sign: str
    """The approved signature (签名), without brackets."""
    template: Digits
    """The approved template's number."""
    variables: tuple[Variable, ...] = ("title",)
    """What fills {1}, {2}, ... of the template: title, rule, service, instance, status, severity or count."""
    variable_max: int = Field(default=12, ge=5, le=500)
    """Characters that a variable may have; an account of a company has no limit of its own."""
    to: tuple[PhoneNumber, ...] = Field(min_length=1, max_length=200)
    """Phone numbers."""
    severity: int = Field(default=3, ge=1, le=3)
    """Takes notifications of this severity and above; each message costs money."""
    digest: bool = False
    """Takes the daily digest, if there is one."""
    region: str = "ap-guangzhou"
    """Where the service is used from."""
    server: ServerUrl = "https://sms.tencentcloudapi.com"
    """The endpoint, where it is another region's."""

    per_minute: ClassVar[int | None] = 10
    known_hosts: ClassVar[frozenset[str]] = frozenset({"sms.tencentcloudapi.com"})
    example: ClassVar[dict[str, Any]] = {
        "name": "duty",
        "key_id": "ID",
        "key_secret": "SECRET",
        "app": "1400006666",
        "sign": "修图工作室",
        "template": "1110",
        "to": ["+8613800000000"],
    }

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """SendSms, signed for `now`."""
        message = {
            "PhoneNumberSet": self.to,
            "SmsSdkAppId": self.app,
            "SignName": self.sign,
            "TemplateId": self.template,
            "TemplateParamSet": [filled(note, variable, self.variable_max) for variable in self.variables],
        }
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        url = httpx.URL(f"{self.server}/")
        signed = {"content-type": "application/json; charset=utf-8", "host": url.netloc.decode()}
        key_id, secret = self.key_id.get_secret_value(), self.key_secret.get_secret_value()
        headers = {
            **signed,
            "X-TC-Action": "SendSms",
            "X-TC-Version": "2021-01-11",
            "X-TC-Timestamp": str(int(now.timestamp())),
            "X-TC-Region": self.region,
            "Authorization": authorization(key_id, secret, "sms", now, signed, body),
        }
        return httpx.Request("POST", url, headers=headers, content=body)

    def verdict(self, response: httpx.Response) -> str:
        """By the codes in the body: one for the call, or one for each number. One number reached is yes: to tell it
        again would cost more than the number that was missed."""
        answer = spoken(response, "Tencent Cloud").get("Response")
        error = answer.get("Error") if isinstance(answer, dict) else None
        if isinstance(error, dict):
            raise CODES.refusal(str(error.get("Code", "")), words(error.get("Code"), error.get("Message")))
        each = answer.get("SendStatusSet") if isinstance(answer, dict) else None
        sent = [one for one in each if isinstance(one, dict)] if isinstance(each, list) else []
        if not sent:
            raise Retryable("channels.not_an_answer", provider="Tencent Cloud", answer=accepted(response))
        missed = [one for one in sent if one.get("Code") != "Ok"]
        if len(missed) == len(sent):
            raise CODES.refusal(str(missed[0].get("Code", "")), words(missed[0].get("Code"), missed[0].get("Message")))
        return words("Ok", f"{len(sent) - len(missed)}/{len(sent)}", *(one.get("Code") for one in missed))


def authorization(
    key_id: str, secret: str, service: str, now: datetime, headers: Mapping[str, str], body: bytes
) -> str:
    """The header `Authorization` of a POST to /. `headers`: all that are signed, by lower-case name."""
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in names)
    canonical = "\n".join(["POST", "/", "", lines, signed, hashlib.sha256(body).hexdigest()])
    date = now.astimezone(UTC).strftime("%Y-%m-%d")
    scope = f"{date}/{service}/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{int(now.timestamp())}\n{scope}\n{digest}"
    key = f"TC3{secret}".encode()
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"
