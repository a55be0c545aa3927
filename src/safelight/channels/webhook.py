"""A webhook of one's own: the notification as JSON.

With a `secret`, the header `X-Safelight-Signature: sha256=<hex>` is the HMAC-SHA256 of the body, byte for byte as
sent, keyed with the secret in UTF-8: recompute it over the raw body and compare in constant time. `Idempotency-Key` is
the same for every attempt of one notification; `may_repeat` is true when an earlier attempt may have arrived.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any, ClassVar, Literal

import httpx
from pydantic import SecretStr

from ..alerts.notification import Notification
from . import Channel, SecretUrl


class Webhook(Channel):
    """Posts to `url`. Any 2xx is yes."""

    type: Literal["webhook"] = "webhook"
    url: SecretUrl
    """Where to POST. Name it as env:NAME or file:PATH: it often carries a key."""
    secret: SecretStr | None = None
    """Signs the body: `X-Safelight-Signature: sha256=<hex of HMAC-SHA256>`."""

    example: ClassVar[dict[str, Any]] = {"name": "hook", "url": "https://alerts.example.com/safelight"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """The body is the notification, the headers say which one and who sent it."""
        body = json.dumps(note.body(), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": note.key}
        if self.secret:
            signature = hmac.new(self.secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Safelight-Signature"] = f"sha256={signature}"
        return httpx.Request("POST", self.url.get_secret_value(), content=body, headers=headers)
