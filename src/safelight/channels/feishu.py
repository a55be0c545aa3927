r"""Feishu (飞书) and Lark: a custom bot of a group, which answers HTTP 200 with an error inside.

Facts from "Custom bot usage guide" at https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot and
https://open.larksuite.com/document/client-docs/bot-v3/add-custom-bot: the signature is HMAC-SHA256 of nothing, keyed
with "<timestamp in s>\n<secret>", in base64, and good for an hour; 100 messages a minute and 5 a second; 20 KB a body;
on the hour and the half hour 11232 is likely, because everybody sends then; 19021 sign, 19022 IP, 19024 keyword. A
picture needs an app that uploads it: https://open.feishu.cn/document/server-docs/im-v1/image/create.

The text of a card is `plain_text`, in which nothing is markup: neither links nor `<at id=all></at>`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Generator
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import SecretStr, model_validator

from ..alerts.notification import RESOLVED, Notification
from ..errors import ChannelBroken, DeliveryError
from . import Channel, Conversation, SecretUrl, accepted, preparing
from .cut import longest
from .fields import mistaken
from .look import links, mark, title
from .mentions import Mentions
from .multipart import form
from .picture import picture
from .verdicts import Codes, spoken, words

BODY_MAX: Final = 20_000
"""Bytes, a little less than 20 KB."""

CODES: Final = Codes(
    waits_s={11232: 60},  # frequency limited
    broken={
        19021,  # sign match fail, or the time is off by an hour
        19022,  # IP not allowed
        19007,  # the bot is not enabled
    },
    for_good={
        19001,  # parameter invalid; a wrong webhook has the same code and is told apart by its words
        9499,  # bad request
        11246,  # wrong card
    },
)
"""Codes that are in none of them are tried again."""

_TEMPLATES: Final = {3: "red", 2: "orange", 1: "blue"}


class Feishu(Mentions, Channel):
    """Sends a card to the group of `url`, signed when the bot's security setting is signature verification (`secret`);
    with `app_id` and `app_secret` the chart is in it."""

    type: Literal["feishu"] = "feishu"
    url: SecretUrl
    """The bot's webhook, `https://open.feishu.cn/open-apis/bot/v2/hook/...` or the same at open.larksuite.com, as
    env:NAME or file:PATH."""
    secret: SecretStr | None = None
    """Of a bot with signature verification (签名校验) as its security setting."""
    keyword: str | None = None
    """Of a bot with keywords (自定义关键词) as its security setting: put into every message that lacks it."""
    app_id: str | None = None
    """Of an app with the permission to upload pictures (im:resource); without one there are no pictures."""
    app_secret: SecretStr | None = None
    """Of that app."""

    per_minute: ClassVar[int | None] = 90
    known_hosts: ClassVar[frozenset[str]] = frozenset({"open.feishu.cn", "open.larksuite.com"})
    example: ClassVar[dict[str, Any]] = {
        "name": "team",
        "url": "https://open.feishu.cn/open-apis/bot/v2/hook/TOKEN",
        "secret": "SECRET",
    }

    @model_validator(mode="after")
    def _whole_app(self) -> Feishu:
        if (self.app_id is None) != (self.app_secret is None):
            raise mistaken("channels.feishu.half_an_app")
        return self

    def conversation(self, note: Notification, now: datetime) -> Conversation:
        """The picture is uploaded first, where there is an app; the card goes out with or without it."""
        key = yield from self._uploaded(note)
        return self.verdict((yield self._card(note, now, key)))

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """The card without a picture, signed for `now`."""
        return self._card(note, now, None)

    def verdict(self, response: httpx.Response) -> str:
        """By the `code` in the body; HTTP 200 alone means nothing."""
        answer = spoken(response, "Feishu", "code")
        code, said = answer.get("code"), words(answer.get("code"), answer.get("msg"))
        if code == 0:
            accepted(response)
            return said
        if code == 19024:
            raise ChannelBroken("channels.keyword", answer=said)
        if code == 19001 and "token" in said:
            raise ChannelBroken("channels.refused", answer=said)
        if code == 9499 and "too many" in said.lower():
            raise CODES.refusal(11232, said)
        raise CODES.refusal(code, said)

    def _uploaded(self, note: Notification) -> Generator[httpx.Request, Any, str | None]:
        image = picture(note) if self.app_id and self.app_secret else None
        if image is None or self.app_secret is None:
            return None
        api = httpx.URL(self.url.get_secret_value()).copy_with(query=None)
        who = {"app_id": self.app_id, "app_secret": self.app_secret.get_secret_value()}
        login = api.copy_with(path="/open-apis/auth/v3/tenant_access_token/internal")
        upload = api.copy_with(path="/open-apis/im/v1/images")
        try:
            answer = spoken((yield preparing(httpx.Request("POST", login, json=who))), "Feishu")
            headers = {"Authorization": f"Bearer {answer['tenant_access_token']}"}
            sent = yield preparing(form(upload, {"image_type": "message"}, "image", image, headers))
            return str(spoken(sent, "Feishu")["data"]["image_key"])
        except (DeliveryError, KeyError, TypeError):
            return None  # the words matter more than the picture

    def _card(self, note: Notification, now: datetime, image_key: str | None) -> httpx.Request:
        def made(told: str) -> bytes:
            message = {**self._signed(now), "msg_type": "interactive", "card": self._content(note, told, image_key)}
            return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()

        told = longest(note.text[:BODY_MAX], lambda some: len(made(some)) <= BODY_MAX)
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        return httpx.Request("POST", self.url.get_secret_value(), content=made(told), headers=headers)

    def _signed(self, now: datetime) -> dict[str, str]:
        if self.secret is None:
            return {}
        timestamp = int(now.timestamp())
        return {"timestamp": str(timestamp), "sign": signature(timestamp, self.secret.get_secret_value())}

    def _content(self, note: Notification, told: str, image_key: str | None) -> dict[str, Any]:
        heading = f"{mark(note)} {title(note)}"
        elements: list[dict[str, Any]] = [{"tag": "div", "text": _plain(told)}]
        if image_key:
            elements.append({"tag": "img", "img_key": image_key, "alt": _plain(title(note))})
        called = [*self.at_users, *(["all"] if self.at_all else [])] if self.calls(note) else []
        if called:
            at = "".join(f"<at id={who}></at>" for who in called)
            elements.append({"tag": "div", "text": {"tag": "lark_md", "content": at}})
        if buttons := links(note, BODY_MAX // 2):
            shown = [{"tag": "button", "text": _plain(label), "url": url, "type": "default"} for label, url in buttons]
            elements.append({"tag": "action", "actions": shown})
        if self.keyword and self.keyword not in heading + told:
            elements.append({"tag": "note", "elements": [_plain(self.keyword)]})
        template = "green" if note.status == RESOLVED else _TEMPLATES[note.severity]
        return {
            "config": {"wide_screen_mode": True},
            "header": {"title": _plain(heading), "template": template},
            "elements": elements,
        }


def signature(timestamp_s: int, secret: str) -> str:
    """The value of the field `sign`."""
    mac = hmac.new(f"{timestamp_s}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def _plain(content: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": content}
