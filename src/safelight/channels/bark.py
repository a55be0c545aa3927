"""Bark: an app for iPhones, through api.day.app or a server of one's own.

Facts from `docs/API_V2.md` and `route_push.go` at https://github.com/Finb/bark-server (POST /push; `level`; an answer
`{"code": 200, "message": "success"}`, 400 for a key that it does not know, 500 for what Apple refused) and from
https://bark.day.app (level `critical` rings through silent mode). Apple's limit is 4 KB for all of a notification:
https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import SecretStr

from ..alerts.notification import RESOLVED, Notification
from ..errors import ChannelBroken, DeliveryError, Retryable
from . import Channel, accepted
from .cut import longest
from .fields import ServerUrl
from .look import links, mark, title
from .verdicts import spoken, words

BODY_MAX: Final = 3500
"""Bytes; the rest of the 4 KB is what the server puts around them."""

BROKEN: Final = ("device key is empty", "failed to get device token", "baddevicetoken", "unregistered")
"""What Bark or Apple says when the phone is gone."""


class Bark(Channel):
    """Pushes to the phone of `key`."""

    type: Literal["bark"] = "bark"
    key: SecretStr
    """The device's, as the app shows it in its test URL, as env:NAME or file:PATH."""
    critical: bool = False
    """Severity 3 rings through silent mode and focus."""
    server: ServerUrl = "https://api.day.app"
    """The server that the app is registered with."""

    per_minute: ClassVar[int | None] = 30
    known_hosts: ClassVar[frozenset[str]] = frozenset({"api.day.app"})
    example: ClassVar[dict[str, Any]] = {"name": "phone", "key": "KEY"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """As JSON to /push."""
        told = longest(note.text[:BODY_MAX], lambda some: len(self._body(note, some)) <= BODY_MAX)
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        return httpx.Request("POST", f"{self.server}/push", content=self._body(note, told), headers=headers)

    def verdict(self, response: httpx.Response) -> str:
        """By the `code` in the body."""
        answer = spoken(response, "Bark", "code")
        code, said = answer.get("code"), words(answer.get("code"), answer.get("message"))
        if code == 200 and response.is_success:
            return said
        if any(sign in said.lower() for sign in BROKEN) or response.status_code in {401, 403, 404}:
            raise ChannelBroken("channels.refused", answer=said)
        if code == 400:
            raise DeliveryError("channels.refused", answer=said)
        accepted(response)
        raise Retryable("channels.not_now", answer=said)

    def _body(self, note: Notification, told: str) -> bytes:
        message = {
            "device_key": self.key.get_secret_value(),
            "title": f"{mark(note)} {title(note)}",
            "body": told,
            "level": self._level(note),
            "group": note.labels.get("service") or "Safelight",
        }
        if buttons := links(note, BODY_MAX // 2):
            message["url"] = buttons[0][1]
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()

    def _level(self, note: Notification) -> str:
        if note.status == RESOLVED or note.severity == 1:
            return "active"
        return "critical" if self.critical and note.severity == 3 else "timeSensitive"
