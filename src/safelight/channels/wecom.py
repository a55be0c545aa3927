"""WeCom (企业微信): a robot of a group, which answers HTTP 200 with an error inside.

Facts from "群机器人配置说明" at https://developer.work.weixin.qq.com/document/path/91770: markdown of 4,096 bytes, text
of 2,048, both UTF-8; a picture goes as base64 with the MD5 of its bytes, 2 MB at most before encoding; 20 messages a
minute; only text mentions phone numbers, while `<@userid>` mentions in both. Codes from
https://developer.work.weixin.qq.com/document/path/90313. Markdown there has no way to escape a character.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx

from ..alerts.notification import Notification
from ..errors import ChannelBroken
from . import Channel, Conversation, SecretUrl, accepted, following
from .cut import longest, size
from .fields import PhoneNumber
from .look import links, mark, title
from .markup import link
from .mentions import Mentions
from .picture import picture
from .verdicts import Codes, spoken, words

MARKDOWN_MAX: Final = 4096
TEXT_MAX: Final = 2048
PICTURE_MAX: Final = 2 * 1024 * 1024

CODES: Final = Codes(
    waits_s={
        45009: 60,  # over 20 a minute
        45033: 10,  # too many at once
    },
    broken={
        93004,  # the robot is switched off
        93008,  # the robot is not in the group
    },
    for_good={
        40008,  # no such message type
        40009,  # picture too large
        40058,  # wrong parameter, such as a content over its limit
        40063,  # empty parameter
        44004,  # empty content
        45002,  # content too long
        93000,  # wrong content; a wrong key has the same code and is told apart by its words
        93017,  # wrong message
        301019,  # the MD5 is not the picture's
    },
)
"""Codes that are in none of them, such as -1 (busy), are tried again."""

_MARKUP: Final = re.compile(r"<|\](?=\()|\*(?=\*)|^\s*(?=[#>])", re.MULTILINE)
_NOTHING: Final = "\u200b"
"""Without width: it stands between the characters that would make markup together."""


class WeCom(Mentions, Channel):
    """Sends markdown to the group of `url`, and the chart after it; plain text when somebody is to be mentioned."""

    type: Literal["wecom"] = "wecom"
    url: SecretUrl
    """The robot's webhook, `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=...`, as env:NAME or file:PATH."""
    at_mobiles: tuple[PhoneNumber, ...] = ()
    """Phone numbers of the members of the group to mention."""

    per_minute: ClassVar[int | None] = 9
    """Each may be two messages to WeCom, which takes 20."""
    known_hosts: ClassVar[frozenset[str]] = frozenset({"qyapi.weixin.qq.com"})
    example: ClassVar[dict[str, Any]] = {
        "name": "team",
        "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY",
    }

    def conversation(self, note: Notification, now: datetime) -> Conversation:
        """The words, then the picture."""
        said = self.verdict((yield self.request(note, now)))
        image = picture(note)
        if image and len(image) <= PICTURE_MAX:
            # MD5 is what WeCom asks for: a checksum, not a safeguard.
            checksum = hashlib.md5(image, usedforsecurity=False).hexdigest()
            content = {"base64": base64.b64encode(image).decode(), "md5": checksum}
            yield following(self._post(note, {"msgtype": "image", "image": content}), said)
        return said

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """The words."""
        calling = self.calls(note) and (self.at_mobiles or self.at_users or self.at_all)
        return self._post(note, self._text(note) if calling else _markdown(note))

    def verdict(self, response: httpx.Response) -> str:
        """By the `errcode` in the body; HTTP 200 alone means nothing."""
        answer = spoken(response, "WeCom", "errcode")
        code, said = answer.get("errcode"), words(answer.get("errcode"), answer.get("errmsg"))
        if code == 0:
            accepted(response)
            return said
        if code == 93000 and "webhook" in said:
            raise ChannelBroken("channels.refused", answer=said)
        raise CODES.refusal(code, said)

    def _text(self, note: Notification) -> dict[str, Any]:
        def made(told: str) -> str:
            urls = [f"{label}: {url}" for label, url in links(note, TEXT_MAX // 2)]
            return "\n".join([f"{mark(note)} {plain(title(note))}", plain(told), *urls])

        everybody = ("@all",) if self.at_all else ()
        content = {
            "content": _fitting(note, made, TEXT_MAX),
            "mentioned_list": [*self.at_users, *everybody],
            "mentioned_mobile_list": self.at_mobiles,
        }
        return {"msgtype": "text", "text": content}

    def _post(self, note: Notification, message: dict[str, Any]) -> httpx.Request:
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        return httpx.Request("POST", self.url.get_secret_value(), content=body, headers=headers)


def plain(value: str) -> str:
    """`value` with something without width where markup would begin: it mentions, links and styles nothing."""
    return _MARKUP.sub(rf"\g<0>{_NOTHING}", value).replace("`", "'")


def _markdown(note: Notification) -> dict[str, Any]:
    def made(told: str) -> str:
        urls = " · ".join(link(label, url) for label, url in links(note, MARKDOWN_MAX // 2))
        return "\n".join(filter(None, [f"**{mark(note)} {plain(title(note))}**", plain(told), urls]))

    return {"msgtype": "markdown", "markdown": {"content": _fitting(note, made, MARKDOWN_MAX)}}


def _fitting(note: Notification, made: Callable[[str], str], limit: int) -> str:
    told = longest(note.text[:limit], lambda some: size(made(some)) <= limit)
    return made(told)
