"""Telegram: a bot that writes to a chat.

Facts from https://core.telegram.org/bots/api (sendMessage: 4,096 characters after the entities are parsed, sendPhoto:
caption of 1,024; HTML with `<`, `>` and `&` escaped; ResponseParameters: `retry_after` seconds, `migrate_to_chat_id`)
and https://core.telegram.org/bots/faq (20 messages a minute to a group).
"""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import Field, SecretStr

from ..alerts.notification import Notification
from ..errors import ChannelBroken, DeliveryError, Retryable
from ..wire.http import retry_after
from . import Channel, Conversation, accepted, following
from .cut import cut, longest, utf16
from .fields import ServerUrl
from .look import links, mark, title
from .multipart import form
from .picture import picture
from .verdicts import spoken, words

TEXT_MAX: Final = 4096
CAPTION_MAX: Final = 1024
LINKS_MAX: Final = 4000
"""Bytes of all links together: the page gives no limit for what readers do not see."""

BROKEN: Final = (
    "chat not found",
    "message thread not found",
    "topic_closed",
    "upgraded to a supergroup",
    "not enough rights",
    "chat_write_forbidden",
    "need administrator rights",
)
"""What a 400 says when it is not about this message."""


class Telegram(Channel):
    """Writes to `chat_id` as the bot of `token`, and sends the chart after it."""

    type: Literal["telegram"] = "telegram"
    token: SecretStr
    """The bot's, from @BotFather, as env:NAME or file:PATH."""
    chat_id: int | str
    """The chat's number (a group's is negative), or a public channel's @name."""
    topic: int | None = Field(default=None, ge=1)
    """Of a group with topics: the number of one (`message_thread_id`)."""
    server: ServerUrl = "https://api.telegram.org"
    """Another Bot API server, such as your own or a relay where api.telegram.org cannot be reached."""

    per_minute: ClassVar[int | None] = 9
    """Each may be two messages to Telegram, which takes 20 a group."""
    known_hosts: ClassVar[frozenset[str]] = frozenset({"api.telegram.org"})
    example: ClassVar[dict[str, Any]] = {"name": "night", "token": "TOKEN", "chat_id": -1001234567890}

    def conversation(self, note: Notification, now: datetime) -> Conversation:
        """The words, then the picture as an answer to them."""
        response = yield self.request(note, now)
        said = self.verdict(response)
        if image := picture(note):
            values = self._to() | {
                "caption": cut(title(note), CAPTION_MAX),
                "disable_notification": "true",
                "reply_parameters": json.dumps({"message_id": _message_id(response)}),
            }
            yield following(form(self._method("sendPhoto"), values, "photo", image), said)
        return said

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """The words."""
        head = f"{mark(note)} {title(note)}"
        urls = links(note, LINKS_MAX)
        room = TEXT_MAX - utf16(_calling_nobody(head)) - utf16(" · ".join(label for label, _ in urls)) - 4
        told = longest(note.text[:TEXT_MAX], lambda some: utf16(_calling_nobody(some)) <= room)
        parts = [f"<b>{_text(head)}</b>", _text(told)]
        if urls:
            parts.append(" · ".join(f'<a href="{escape(url)}">{_text(label)}</a>' for label, url in urls))
        message = self._to() | {
            "text": "\n\n".join(filter(None, parts)),
            "parse_mode": "HTML",
            # Links are for readers: nobody else is to open them.
            "link_preview_options": {"is_disabled": True},
            "disable_notification": note.severity == 1,
        }
        return httpx.Request("POST", self._method("sendMessage"), json=message)

    def verdict(self, response: httpx.Response) -> str:
        """By `ok`, then by the HTTP status and the description."""
        answer = spoken(response, "Telegram", "ok")
        said = words(response.status_code, answer.get("description"))
        if answer.get("ok") is True and response.is_success:
            return words(response.status_code, "message", _message_id(response))
        parameters = answer.get("parameters")
        extra = parameters if isinstance(parameters, dict) else {}
        if response.status_code == 429:
            wait = extra.get("retry_after")
            after_s = float(wait) if isinstance(wait, int | float) else retry_after(response.headers)
            raise Retryable("channels.not_now", answer=said, after_s=after_s)
        if moved := extra.get("migrate_to_chat_id"):
            raise ChannelBroken("channels.refused", answer=words(said, "chat_id", moved))
        hopeless = any(sign in said.lower() for sign in BROKEN)
        if response.status_code in {401, 403, 404} or (response.status_code == 400 and hopeless):
            raise ChannelBroken("channels.refused", answer=said)
        accepted(response)
        raise DeliveryError("channels.refused", answer=said)

    def _to(self) -> dict[str, Any]:
        chat: dict[str, Any] = {"chat_id": str(self.chat_id)}
        return chat if self.topic is None else {**chat, "message_thread_id": str(self.topic)}

    def _method(self, name: str) -> str:
        return f"{self.server}/bot{self.token.get_secret_value()}/{name}"


def _calling_nobody(value: str) -> str:
    """A name after @ would be called, also one from a log: a joiner of no width keeps it from being a name."""
    return value.replace("@", "@\u2060")


def _text(value: str) -> str:
    return escape(_calling_nobody(value), quote=False)


def _message_id(response: httpx.Response) -> int:
    result = response.json().get("result")
    number = result.get("message_id") if isinstance(result, dict) else None
    return number if isinstance(number, int) else 0
