r"""DingTalk (钉钉): a custom robot of a group, which answers HTTP 200 with an error inside.

Facts from "自定义机器人接入" and "自定义机器人安全设置" at https://open.dingtalk.com/document/robots:
the signature is HMAC-SHA256 of "<timestamp in ms>\n<secret>" keyed with the secret, in base64, URL-encoded once, and
good for an hour; 20 messages a minute, more block the robot for 10 minutes; 20,000 bytes a body.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote_plus

import httpx
from pydantic import SecretStr

from ..alerts.notification import FIRING, Notification
from ..errors import DeliveryError, Retryable
from ..locales import text
from . import ANSWER_MAX, Channel, SecretUrl, accepted

BODY_MAX: Final = 20_000
BLOCKED_S: Final = 600.0

TOO_FAST: Final = frozenset({130101, 410100, 90030})
"""Over the rate; the robot is blocked for 10 minutes."""
FOR_GOOD: Final = frozenset(
    {
        310000,  # security settings: keyword not in content, sign not match, timestamp off by an hour, IP not allowed
        300001,  # token is not exist
        40035,  # missing or malformed parameter
        43004,  # wrong Content-Type
        400013,  # the group was dissolved
        400101,  # no such access_token
        400102,  # the robot is switched off
        400105,  # message type not supported
        400106,  # no such robot
        430101,  # unsafe link
        430102,  # unfit text
        430103,  # unfit picture
        430104,  # unfit content
        101002,  # message too long
        460101,  # body over 20,000 bytes
    }
)
"""Retrying the same message cannot help. Codes that are in neither set, such as -1 (busy), are tried again."""

_STRUCTURE: Final = re.compile(r"[\\`*\[\]<~|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START: Final = re.compile(r"^(\s*)([#>+-]|\d+\.)", re.MULTILINE)


class DingTalk(Channel):
    """Sends markdown to the group of `url`, signed when the robot's security setting is 加签 (`secret`, SEC...)."""

    type: Literal["dingtalk"] = "dingtalk"
    url: SecretUrl
    """The robot's webhook, `https://oapi.dingtalk.com/robot/send?access_token=...`, as env:NAME or file:PATH."""
    secret: SecretStr | None = None
    """Of a robot with "additional signature" (加签) as its security setting."""

    per_minute: ClassVar[int | None] = 18
    known_hosts: ClassVar[frozenset[str]] = frozenset({"oapi.dingtalk.com"})
    example: ClassVar[dict[str, Any]] = {
        "name": "team",
        "url": "https://oapi.dingtalk.com/robot/send?access_token=TOKEN",
        "secret": "SECRET",
    }

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """Signed for `now`."""
        url = self.url.get_secret_value()
        if self.secret:
            timestamp = int(now.timestamp() * 1000)
            sign = signature(timestamp, self.secret.get_secret_value())
            url += f"{'&' if '?' in url else '?'}timestamp={timestamp}&sign={sign}"
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        return httpx.Request("POST", url, content=fitting(note), headers=headers)

    def verdict(self, response: httpx.Response) -> str:
        """By the `errcode` in the body; HTTP 200 alone means nothing."""
        status = accepted(response)
        try:
            answer = response.json()
            code, said = int(answer["errcode"]), str(answer.get("errmsg", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Retryable("channels.not_an_answer", answer=status) from error
        words = f"{code} {said}".strip()[:ANSWER_MAX]
        if code == 0:
            return words
        if code in TOO_FAST:
            raise Retryable("channels.not_now", answer=words, after_s=BLOCKED_S)
        if code in FOR_GOOD:
            raise DeliveryError("channels.refused", answer=words)
        raise Retryable("channels.not_now", answer=words)


def signature(timestamp_ms: int, secret: str) -> str:
    """The value of the parameter `sign`, ready for a URL."""
    mac = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256)
    return quote_plus(base64.b64encode(mac.digest()))


def fitting(note: Notification) -> bytes:
    """The body of `note`, its text cut so that the whole stays within 20,000 bytes."""
    whole = _body(note, note.text)
    if len(whole) <= BODY_MAX:
        return whole
    fits, too_long = 0, len(note.text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(_body(note, note.text[:middle] + "…")) <= BODY_MAX:
            fits = middle
        else:
            too_long = middle
    return _body(note, note.text[:fits] + "…")


def escape(value: str) -> str:
    """`value` as plain text within markdown: nothing in it makes a link, a picture, a heading or emphasis."""
    return _LINE_START.sub(r"\1\\\2", _STRUCTURE.sub(r"\\\g<0>", value))


def _body(note: Notification, told: str) -> bytes:
    title = note.title
    if note.may_repeat:
        title = text("channels.may_repeat", note.language, title=title)
    mark = "🔴" if note.status == FIRING else "🟢"
    # Two blanks before a line break: DingTalk's markdown joins lines otherwise.
    lines = [f"#### {mark} {escape(title)}", *(escape(line) for line in told.split("\n"))]
    for name, url in note.links.items():
        lines.append(f"[{text(f'channels.link.{name}', note.language)}]({url.replace('(', '%28').replace(')', '%29')})")
    message = {"msgtype": "markdown", "markdown": {"title": title, "text": "  \n".join(lines)}}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
