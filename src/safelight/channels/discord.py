"""Discord: a webhook of a channel.

Facts from https://docs.discord.com/developers/resources/webhook (`wait=true`: an answer only once the message is
stored; files beside `payload_json`), https://docs.discord.com/developers/resources/message (embed: title of 256,
description of 4,096, 6,000 characters together; `allowed_mentions`) and
https://docs.discord.com/developers/topics/rate-limits (429 with `retry_after` in seconds). 30 messages a minute to a
channel are what webhooks are observed to get; the page gives no number.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx

from ..alerts.notification import Notification
from ..errors import ChannelBroken, Retryable
from ..wire.http import retry_after
from . import Channel, SecretUrl, accepted
from .cut import longest, utf16
from .look import colour, links, mark, title
from .markup import link
from .multipart import form
from .picture import picture
from .verdicts import spoken, words

TITLE_MAX: Final = 256
DESCRIPTION_MAX: Final = 4096

_MARKUP: Final = re.compile(r"[\\*_~`|>#\[\]()<@:+-]")
_NUMBERED: Final = re.compile(r"^(\s*\d+)\.", re.MULTILINE)


class Discord(Channel):
    """Sends to the channel that the webhook `url` belongs to, the chart within the message."""

    type: Literal["discord"] = "discord"
    url: SecretUrl
    """The webhook, `https://discord.com/api/webhooks/...`, as env:NAME or file:PATH; `?thread_id=...` for a thread."""

    per_minute: ClassVar[int | None] = 28
    known_hosts: ClassVar[frozenset[str]] = frozenset({"discord.com", "discordapp.com"})
    example: ClassVar[dict[str, Any]] = {"name": "team", "url": "https://discord.com/api/webhooks/1/TOKEN"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """One embed."""
        head = longest(f"{mark(note)} {title(note)}"[:TITLE_MAX], lambda some: utf16(escape(some)) <= TITLE_MAX)
        urls = " · ".join(link(label, url) for label, url in links(note, DESCRIPTION_MAX // 2))

        def made(told: str) -> str:
            return "\n\n".join(filter(None, [escape(told), urls]))

        told = longest(note.text[:DESCRIPTION_MAX], lambda some: utf16(made(some)) <= DESCRIPTION_MAX)
        embed: dict[str, Any] = {"title": escape(head), "description": made(told), "color": colour(note)}
        message = {"embeds": [embed], "allowed_mentions": {"parse": []}}
        url = httpx.URL(self.url.get_secret_value()).copy_merge_params({"wait": "true"})
        if image := picture(note):
            embed["image"] = {"url": "attachment://chart.png"}
            return form(url, {"payload_json": json.dumps(message, ensure_ascii=False)}, "files[0]", image)
        return httpx.Request("POST", url, json=message)

    def verdict(self, response: httpx.Response) -> str:
        """By the HTTP status."""
        if response.is_success:
            return accepted(response)
        answer = spoken(response, "Discord")
        said = words(response.status_code, answer.get("code"), answer.get("message"))
        if response.status_code == 429:
            wait = answer.get("retry_after")
            after_s = float(wait) if isinstance(wait, int | float) else retry_after(response.headers)
            raise Retryable("channels.not_now", answer=said, after_s=after_s)
        if response.status_code in {401, 403, 404}:
            raise ChannelBroken("channels.refused", answer=said)
        return accepted(response)


def escape(value: str) -> str:
    """`value` as plain text within Discord's markdown: nothing in it links, mentions or styles."""
    return _NUMBERED.sub(r"\1\\.", _MARKUP.sub(r"\\\g<0>", value))
