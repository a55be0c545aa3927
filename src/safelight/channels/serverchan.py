"""ServerChan (Server酱): to WeChat, or to its own app (Server酱³).

Facts from https://sct.ftqq.com and https://doc.sc3.ft07.com/serverchan3/server/api: a key SCT... goes to
sctapi.ftqq.com/<key>.send, a key sctp<uid>t... to <uid>.push.ft07.com/send/<key>.send; `title` of 32 characters, `desp`
in markdown, of 32 KB; `code` 0 is yes. A free account has 5 messages a day: keep the channel for severity 3.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import Field, SecretStr

from ..alerts.notification import Notification
from ..errors import ChannelBroken, DeliveryError, Retryable
from . import Channel, accepted
from .cut import cut, longest, size
from .fields import ServerUrl
from .look import links, mark, title
from .markup import escape, link
from .verdicts import spoken, words

TITLE_MAX: Final = 32
TEXT_MAX: Final = 32_000
DAY_USED_UP_S: Final = 3600.0
"""After the messages of a day are used up it is asked again every hour."""

_SC3: Final = re.compile(r"sctp(\d+)t")


class ServerChan(Channel):
    """Sends to whoever registered `key`."""

    type: Literal["serverchan"] = "serverchan"
    key: SecretStr
    """The SendKey, SCT... or sctp..., as env:NAME or file:PATH."""
    server: ServerUrl | None = None
    """Another server that takes `/<key>.send`; by default the one that the key belongs to."""
    severity: int = Field(default=3, ge=1, le=3)
    """Takes notifications of this severity and above; a free account has 5 messages a day."""

    per_minute: ClassVar[int | None] = 10
    known_hosts: ClassVar[frozenset[str]] = frozenset({"sctapi.ftqq.com"})
    example: ClassVar[dict[str, Any]] = {"name": "wechat", "key": "SCTKEY"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """As a form."""

        def made(told: str) -> str:
            # A blank line between lines: markdown joins them otherwise.
            lines = [escape(line) for line in told.split("\n")]
            return "\n\n".join([*lines, *(link(label, url) for label, url in links(note, TEXT_MAX // 2))])

        told = longest(note.text[:TEXT_MAX], lambda some: size(made(some)) <= TEXT_MAX)
        values = {"title": cut(f"{mark(note)} {title(note)}", TITLE_MAX), "desp": made(told)}
        return httpx.Request("POST", self._address(), data=values, headers={"Idempotency-Key": note.key})

    def verdict(self, response: httpx.Response) -> str:
        """By the `code` in the body; a refusal comes with HTTP 400."""
        answer = spoken(response, "ServerChan", "code")
        code, said = answer.get("code"), words(answer.get("code"), answer.get("message"))
        if code == 0 and response.is_success:
            return said
        if "超过" in said or "次数" in said:  # [AUTH]超过当天的发送次数限制
            raise Retryable("channels.not_now", answer=said, after_s=DAY_USED_UP_S)
        if "[AUTH]" in said or response.status_code in {401, 403, 404}:
            raise ChannelBroken("channels.refused", answer=said)
        if "[INPUT]" in said:
            raise DeliveryError("channels.refused", answer=said)
        accepted(response)
        raise Retryable("channels.not_now", answer=said)

    def _address(self) -> str:
        key = self.key.get_secret_value()
        if self.server:
            return f"{self.server}/{key}.send"
        newer = _SC3.match(key)
        return f"https://{newer[1]}.push.ft07.com/send/{key}.send" if newer else f"https://sctapi.ftqq.com/{key}.send"
