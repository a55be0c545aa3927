r"""Text messages through Alibaba Cloud (阿里云短信).

Facts from https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms (SendSms, 1,000 numbers a
call, not idempotent), https://help.aliyun.com/document_detail/101346.html (codes; HTTP 200 says nothing) and
https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature (ACS3-HMAC-SHA256). A text is a
template that Alibaba has approved; what fills its variables is short and has no links. 35 characters a variable is a
figure of older documents; a template may allow less or more (`variable_max`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote

import httpx
from pydantic import Field, SecretStr

from ..alerts.notification import Notification
from . import Channel, accepted
from .fields import PhoneNumber, ServerUrl
from .sms import Variable, filled
from .verdicts import Codes, spoken, words

HOUR_S: Final = 3600.0

CODES: Final = Codes(
    waits_s={
        "isv.BUSINESS_LIMIT_CONTROL": HOUR_S,  # too many to one number in a minute, an hour or a day
        "isv.DAY_LIMIT_CONTROL": HOUR_S,
        "isv.MONTH_LIMIT_CONTROL": HOUR_S,
        "Throttling": 60.0,
    },
    broken={
        "InvalidAccessKeyId",
        "InvalidSecurityToken",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "Forbidden",
        "NoPermission",
        "isp.RAM_PERMISSION_DENY",
        "isv.ACCOUNT_ABNORMAL",
        "isv.ACCOUNT_NOT_EXISTS",
        "isv.AMOUNT_NOT_ENOUGH",
        "isv.DENY_IP_RANGE",
        "isv.DOMESTIC_NUMBER_NOT_SUPPORTED",
        "isv.MOBILE_COUNT_OVER_LIMIT",
        "isv.MOBILE_NUMBER_ILLEGAL",
        "isv.OUT_OF_SERVICE",
        "isv.PRODUCT_UN_SUBSCRIPT",
        "isv.PRODUCT_UNSUBSCRIBE",
        "isv.SIGN_STATE_ILLEGAL",
        "isv.SMS_SIGNATURE_ILLEGAL",
        "isv.SMS_SIGNATURE_SCENE_ILLEGAL",
        "isv.SMS_SIGN_ILLEGAL",
        "isv.SMS_TEMPLATE_ILLEGAL",
        "isv.TEMPLATE_MISSING_PARAMETERS",
    },
    for_good={
        "isv.BLACK_KEY_CONTROL_LIMIT",
        "isv.INVALID_JSON_PARAM",
        "isv.INVALID_PARAMETERS",
        "isv.PARAM_LENGTH_LIMIT",
        "isv.PARAM_NOT_SUPPORT_URL",
        "isv.SMS_CONTENT_ILLEGAL",
        "isv.TEMPLATE_PARAMS_ILLEGAL",
    },
)
"""Codes that are in none of them, such as isp.SYSTEM_ERROR, are tried again."""


class AliyunSms(Channel):
    """Sends a text message to each of `to`, by a template of yours such as `Safelight 告警：${title}，请处理。`."""

    type: Literal["sms_aliyun"] = "sms_aliyun"
    key_id: SecretStr
    """AccessKey ID of a RAM user who may send text messages (AliyunDysmsFullAccess), as env:NAME or file:PATH."""
    key_secret: SecretStr
    """AccessKey secret of that user, as env:NAME or file:PATH."""
    sign: str
    """The approved signature (签名), without brackets."""
    template: str
    """The approved template, SMS_..."""
    variables: dict[str, Variable] = Field(default={"title": "title"})
    """What fills each variable of the template: title, rule, service, instance, status, severity or count."""
    variable_max: int = Field(default=35, ge=5, le=500)
    """Characters that a variable may have."""
    to: tuple[PhoneNumber, ...] = Field(min_length=1, max_length=1000)
    """Phone numbers."""
    severity: int = Field(default=3, ge=1, le=3)
    """Takes notifications of this severity and above; each message costs money."""
    digest: bool = False
    """Takes the daily digest, if there is one."""
    server: ServerUrl = "https://dysmsapi.aliyuncs.com"
    """The endpoint, where it is another region's."""

    per_minute: ClassVar[int | None] = 10
    known_hosts: ClassVar[frozenset[str]] = frozenset({"dysmsapi.aliyuncs.com"})
    example: ClassVar[dict[str, Any]] = {
        "name": "duty",
        "key_id": "ID",
        "key_secret": "SECRET",
        "sign": "修图工作室",
        "template": "SMS_154950909",
        "to": ["+8613800000000"],
    }

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """SendSms, signed for `now`."""
        values = {name: filled(note, one, self.variable_max) for name, one in self.variables.items()}
        query = canonical_query(
            {
                "PhoneNumbers": ",".join(self.to),
                "SignName": self.sign,
                "TemplateCode": self.template,
                "TemplateParam": json.dumps(values, ensure_ascii=False, separators=(",", ":")),
            }
        )
        url = httpx.URL(f"{self.server}/?{query}")
        headers = {
            "host": url.netloc.decode(),
            "x-acs-action": "SendSms",
            "x-acs-version": "2017-05-25",
            "x-acs-date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            # Another one for each attempt: a nonce that was seen before is refused.
            "x-acs-signature-nonce": hashlib.sha256(f"{note.key} {now.isoformat()}".encode()).hexdigest()[:32],
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        }
        key_id, secret = self.key_id.get_secret_value(), self.key_secret.get_secret_value()
        headers["Authorization"] = authorization(key_id, secret, query, headers)
        return httpx.Request("POST", url, headers=headers)

    def verdict(self, response: httpx.Response) -> str:
        """By the `Code` in the body."""
        answer = spoken(response, "Alibaba Cloud", "Code")
        code = str(answer["Code"])
        if code == "OK":
            accepted(response)
            return words(code, answer.get("BizId"))
        raise CODES.refusal(code, words(code, answer.get("Message")))


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Sorted, and percent-encoded as in RFC 3986."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(parameters[name], safe='-_.~')}" for name in sorted(parameters))


def authorization(key_id: str, secret: str, query: str, headers: Mapping[str, str]) -> str:
    """The header `Authorization` of a POST to / without a body. `headers`: all that are signed, by lower-case name."""
    names = sorted(headers)
    signed = ";".join(names)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    canonical = "\n".join(["POST", "/", query, lines, signed, headers["x-acs-content-sha256"]])
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={signed},Signature={signature}"
