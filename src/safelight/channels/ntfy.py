"""ntfy: a topic on ntfy.sh or on a server of one's own.

Facts from https://docs.ntfy.sh/publish/ (publishing as JSON; priority 1 to 5; at most 3 actions; a message of 4,096
bytes, what is longer becomes an attachment; ntfy.sh takes 60 requests, then one every 5 s) and from the server's
`server/errors.go` at https://github.com/binwiederhier/ntfy (401, 403, 40009, 40010, 42901, 42908). JSON and not
headers: those would have to be encoded (RFC 2047) to carry Chinese.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import Field, SecretStr

from ..alerts.notification import RESOLVED, Notification
from ..errors import ChannelBroken, Retryable
from ..wire.http import retry_after
from . import Channel, accepted
from .cut import cut, longest, size
from .fields import ServerUrl
from .look import links, title
from .verdicts import spoken, words

MESSAGE_MAX: Final = 4096
TITLE_MAX: Final = 250
ACTIONS_MAX: Final = 3
DAY_USED_UP_S: Final = 3600.0
"""After 42908 (all messages of the day are used up) it is asked again every hour."""

_PRIORITIES: Final = {3: 5, 2: 4, 1: 3}
_TAGS: Final = {3: "red_circle", 2: "orange_circle", 1: "large_blue_circle"}
"""Names of emoji that ntfy shows before the title."""


class Ntfy(Channel):
    """Publishes to `topic`."""

    type: Literal["ntfy"] = "ntfy"
    topic: SecretStr = Field(min_length=1)
    """Whoever knows it can read along: choose one that cannot be guessed."""
    token: SecretStr | None = None
    """Access token (tk_...) of a protected topic."""
    server: ServerUrl = "https://ntfy.sh"
    """The server that has the topic."""

    per_minute: ClassVar[int | None] = 12
    known_hosts: ClassVar[frozenset[str]] = frozenset({"ntfy.sh"})
    example: ClassVar[dict[str, Any]] = {"name": "phone", "topic": "TOPIC"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """Published as JSON to the server's root."""
        buttons = links(note, MESSAGE_MAX)
        message: dict[str, Any] = {
            "topic": self.topic.get_secret_value(),
            "title": cut(title(note), TITLE_MAX),
            "message": longest(note.text[:MESSAGE_MAX], lambda some: size(some) <= MESSAGE_MAX),
            "priority": 3 if note.status == RESOLVED else _PRIORITIES[note.severity],
            "tags": ["green_circle" if note.status == RESOLVED else _TAGS[note.severity]],
        }
        if buttons:
            message["click"] = buttons[0][1]
            message["actions"] = [
                {"action": "view", "label": label, "url": url} for label, url in buttons[:ACTIONS_MAX]
            ]
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        return httpx.Request("POST", f"{self.server}/", content=body, headers=headers)

    def verdict(self, response: httpx.Response) -> str:
        """By the HTTP status, and ntfy's own code."""
        answer = spoken(response, "ntfy")
        if response.is_success:
            if answer.get("event") != "message":
                raise Retryable("channels.not_an_answer", provider="ntfy", answer=accepted(response))
            return words(response.status_code, "message", answer.get("id"))
        code, said = answer.get("code"), words(response.status_code, answer.get("code"), answer.get("error"))
        if response.status_code in {401, 403, 404} or code in {40009, 40010}:  # the topic's name is not allowed
            raise ChannelBroken("channels.refused", answer=said)
        if code == 42908:
            after_s = retry_after(response.headers)
            raise Retryable("channels.not_now", answer=said, after_s=after_s or DAY_USED_UP_S)
        return accepted(response)
