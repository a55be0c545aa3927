r"""DingTalk (钉钉): a custom robot of a group, which answers HTTP 200 with an error inside.

Facts from "自定义机器人接入", "自定义机器人安全设置" and "自定义机器人发送消息的消息类型" at
https://open.dingtalk.com/document/robots/custom-robot-access: the signature is HMAC-SHA256 of
"<timestamp in ms>\n<secret>" keyed with the secret, in base64, URL-encoded once, and good for an hour; 20 messages a
minute, more block the robot for 10 minutes; 20,000 bytes a body; who is mentioned must also stand in the text, as @...
Mentions are documented for text and markdown, so a message that mentions somebody is no card.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any, ClassVar, Final, Literal
from urllib.parse import quote_plus

import httpx
from pydantic import SecretStr

from ..alerts.notification import Notification
from ..errors import ChannelBroken
from . import Channel, SecretUrl, accepted
from .cut import longest
from .fields import PhoneNumber
from .look import links, mark, title
from .markup import escape, link
from .mentions import Mentions
from .verdicts import Codes, spoken, words

BODY_MAX: Final = 20_000
BLOCKED_S: Final = 600.0

CODES: Final = Codes(
    waits_s=dict.fromkeys((130101, 410100, 90030), BLOCKED_S),  # over the rate: blocked for 10 minutes
    broken={
        310000,  # security settings: keyword not in content, sign not match, timestamp off by an hour, IP not allowed
        300001,  # token is not exist
        400013,  # the group was dissolved
        400101,  # no such access_token
        400102,  # the robot is switched off
        400106,  # no such robot
    },
    for_good={
        40035,  # missing or malformed parameter
        43004,  # wrong Content-Type
        400105,  # message type not supported
        430101,  # unsafe link
        430102,  # unfit text
        430103,  # unfit picture
        430104,  # unfit content
        101002,  # message too long
        460101,  # body over 20,000 bytes
    },
)
"""Codes that are in none of them, such as -1 (busy), are tried again."""


class DingTalk(Mentions, Channel):
    """Sends markdown to the group of `url`, an action card when there are links; signed when the robot's security
    setting is 加签 (`secret`, SEC...)."""

    type: Literal["dingtalk"] = "dingtalk"
    url: SecretUrl
    """The robot's webhook, `https://oapi.dingtalk.com/robot/send?access_token=...`, as env:NAME or file:PATH."""
    secret: SecretStr | None = None
    """Of a robot with "additional signature" (加签) as its security setting."""
    keyword: str | None = None
    """Of a robot with keywords (自定义关键词) as its security setting: put into every message that lacks it."""
    at_mobiles: tuple[PhoneNumber, ...] = ()
    """Phone numbers of the members of the group to mention."""

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
        told = longest(note.text[:BODY_MAX], lambda some: len(self._body(note, some)) <= BODY_MAX)
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        return httpx.Request("POST", url, content=self._body(note, told), headers=headers)

    def verdict(self, response: httpx.Response) -> str:
        """By the `errcode` in the body; HTTP 200 alone means nothing."""
        answer = spoken(response, "DingTalk", "errcode")
        code, said = answer.get("errcode"), words(answer.get("errcode"), answer.get("errmsg"))
        if code == 0:
            accepted(response)
            return said
        if code == 310000 and "keyword" in said:
            raise ChannelBroken("channels.keyword", answer=said)
        raise CODES.refusal(code, said)

    def _body(self, note: Notification, told: str) -> bytes:
        lines = [f"#### {mark(note)} {escape(title(note))}", *(escape(line) for line in told.split("\n"))]
        calling = self.calls(note) and (self.at_mobiles or self.at_users or self.at_all)
        buttons = links(note, BODY_MAX // 2)
        if calling:
            lines += [link(label, url) for label, url in buttons]
        if calling and (called := " ".join(f"@{who}" for who in (*self.at_mobiles, *self.at_users))):
            lines.append(called)
        if self.keyword and self.keyword not in "\n".join(lines):
            lines.append(self.keyword)
        # Two blanks before a line break: DingTalk's markdown joins lines otherwise.
        card: dict[str, Any] = {"title": title(note), "text": "  \n".join(lines)}
        message: dict[str, Any] = {"msgtype": "markdown", "markdown": card}
        if calling:
            message["at"] = {"atMobiles": self.at_mobiles, "atUserIds": self.at_users, "isAtAll": self.at_all}
        elif buttons:
            card["btnOrientation"] = "0"
            card["btns"] = [{"title": label, "actionURL": url} for label, url in buttons]
            message = {"msgtype": "actionCard", "actionCard": card}
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def signature(timestamp_ms: int, secret: str) -> str:
    """The value of the parameter `sign`, ready for a URL."""
    mac = hmac.new(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), hashlib.sha256)
    return quote_plus(base64.b64encode(mac.digest()))
