"""Channels: nouns, named after the service. A channel says what to send and what the answer means; `deliver` sends it.

A channel holds no socket and no clock. Its URL and secrets are SecretStr: they appear in no repr, log line or error.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, ClassVar, Final, Literal

import httpx
from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from ..alerts.notification import Notification
from ..errors import DeliveryError, Retryable
from ..plugin import Plugin

ANSWER_MAX: Final = 300
"""Characters kept of what a peer answered."""


def _http_url(value: SecretStr) -> SecretStr:
    try:
        url = httpx.URL(value.get_secret_value())
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("must be a URL beginning with https:// or http://")
    return value


SecretUrl = Annotated[SecretStr, AfterValidator(_http_url)]
"""A URL that is itself a secret: webhooks carry their key in it."""


class Channel(Plugin):
    """Fields that every channel has, and the two questions it answers."""

    model_config = ConfigDict(hide_input_in_errors=True)

    per_minute: ClassVar[int | None] = None
    """Attempts in any 60 s that stay below the peer's own limit."""
    known_hosts: ClassVar[frozenset[str]] = frozenset()
    """The provider's own hosts. Over https their certificate proves them, whatever address the name resolves to here
    (proxies in tunnel mode answer with addresses of 198.18.0.0/15)."""

    name: str = Field(pattern=r"^[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff._-]{0,63}$")
    severity: int = Field(default=2, ge=1, le=3)
    """Takes notifications of this severity and above."""
    language: Literal["en", "zh-CN"] | None = None
    """Of its messages; the server's by default."""
    allow_private: bool = False
    """May connect to private, loopback and link-local addresses."""

    @abstractmethod
    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """What to send. Pure: the same note and time give the same request."""

    def verdict(self, response: httpx.Response) -> str:
        """The peer's own words for yes. Raises Retryable for not now, DeliveryError for no.

        `response` has its headers and at most 64 KiB of its body. By default the HTTP status decides.
        """
        return accepted(response)

    def masked(self, answer: str) -> str:
        """`answer` without what this channel keeps secret: peers echo tokens."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                for secret in _parts(value.get_secret_value()):
                    answer = answer.replace(secret, "***")
        return answer


def _parts(secret: str) -> list[str]:
    url = httpx.URL(secret) if secret.startswith(("http://", "https://")) else None
    parts = [secret] if url is None else [secret, *url.params.values(), *url.path.split("/")[-1:]]
    return [part for part in parts if len(part) >= 8]


def accepted(response: httpx.Response) -> str:
    """`204 No Content` and the like. Raises by status: 408, 425, 429 and 5xx may say yes later, the rest will not."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    answer = " ".join(f"{status} {response.text}".split())[:ANSWER_MAX]
    if response.is_success:
        return answer
    if response.status_code in {408, 425, 429} or response.status_code >= 500:
        raise Retryable("channels.not_now", answer=answer, after_s=retry_after(response.headers))
    if response.is_redirect:
        raise DeliveryError("channels.redirect", answer=status)
    raise DeliveryError("channels.refused", answer=answer)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `Retry-After` (RFC 9110 §10.2.3: seconds, or a date, taken relative to the `Date` header)."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None
