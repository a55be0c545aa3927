"""Channels: nouns, named after the service. A channel says what to send and what the answer means; `delivery` sends it.

A channel holds no socket and no clock. Its URL and secrets are SecretStr: they appear in no repr, log line or error.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import httpx
from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from ..alerts.notification import Notification
from ..errors import ChannelBroken, DeliveryError, Retryable
from ..plugin import Plugin
from ..wire.http import not_now, retry_after

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


@dataclass(frozen=True, slots=True)
class Mail:
    """A message for an SMTP server."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    recipients: tuple[str, ...]
    message: bytes
    """RFC 5322, lines ending in CRLF."""
    ca: Path | None = None
    """A PEM file of authorities to trust instead of the usual ones."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message that the Apprise library sends its own way."""

    url: str = field(repr=False)
    title: str
    text: str
    picture: bytes | None
    """PNG."""


SecretUrl = Annotated[SecretStr, AfterValidator(_http_url)]
"""A URL that is itself a secret: webhooks carry their key in it."""


Step = httpx.Request | Mail | Foreign
Conversation = Generator[Step, Any, str]
"""What a channel does to tell one message: it yields what to send, is sent the answer (an httpx.Response to a request,
the server's words to the others), and returns the peer's words for yes. Raises what `verdict` raises.

A step without an answer raises Retryable where it was yielded; left alone, it ends the conversation, and the message is
in doubt, unless the step was `preparing`."""

_TELLS: Final = "safelight.tells"


def preparing(request: httpx.Request) -> httpx.Request:
    """Marks a step that tells nothing yet (fetches a token, uploads a picture): lost, it leaves no doubt."""
    request.extensions[_TELLS] = False
    return request


def following(request: httpx.Request, said: str) -> httpx.Request:
    """Marks a step after the peer said yes, in the words `said`, to the message itself: whatever becomes of this step
    and of those after it, the message was told."""
    request.extensions[_TELLS] = said
    return request


def tells(step: Step) -> bool | str:
    """Whether the step may tell the message; the peer's words where it has been told."""
    told = step.extensions.get(_TELLS, True) if isinstance(step, httpx.Request) else True
    return told if isinstance(told, bool | str) else True


class Channel(Plugin):
    """Fields that every channel has, and the questions it answers."""

    model_config = ConfigDict(hide_input_in_errors=True)

    per_minute: ClassVar[int | None] = None
    """Attempts in any 60 s that stay below the peer's own limit."""
    known_hosts: ClassVar[frozenset[str]] = frozenset()
    """The provider's own hosts. Over https their certificate proves them, whatever address the name resolves to here
    (proxies in tunnel mode answer with addresses of 198.18.0.0/15)."""
    verified: ClassVar[bool] = True
    """Whether a yes means that the peer itself took the message."""
    resend: ClassVar[timedelta | None] = None
    """How often what fires is handed over again, to a peer that forgets."""

    name: str = Field(pattern=r"^[A-Za-z0-9\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff._-]{0,63}$")
    severity: int = Field(default=2, ge=1, le=3)
    """Takes notifications of this severity and above."""
    language: Literal["en", "zh-CN"] | None = None
    """Of its messages; the server's by default."""
    digest: bool = True
    """Takes the daily digest, if there is one."""
    allow_private: bool = False
    """May connect to private, loopback and link-local addresses."""
    proxy: SecretUrl | None = None
    """Connects through this HTTP proxy, `http://[user:password@]host:port`."""

    def conversation(self, note: Notification, now: datetime) -> Conversation:
        """How one message is told. By default one request and its answer.

        Once a peer has said yes to the message itself, what may follow (a picture) must not fail it: it would be told
        twice. See `preparing` and `following`.
        """
        return self.verdict((yield self.request(note, now)))

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """What to send. Pure: the same note and time give the same request. A channel has this or `conversation`."""
        raise NotImplementedError

    def reminder(self, alerts: Sequence[Mapping[str, Any]], now: datetime) -> Conversation:
        """How what fires is handed over again; `alerts` as in a Notification. Of a channel with `resend`."""
        raise NotImplementedError

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
                secrets = [value]
            elif isinstance(value, Mapping):
                secrets = [one for one in value.values() if isinstance(one, SecretStr)]
            else:
                continue
            for secret in secrets:
                for part in _parts(secret.get_secret_value()):
                    answer = answer.replace(part, "***")
        return answer


def _parts(secret: str) -> list[str]:
    try:
        url = httpx.URL(secret) if secret.startswith(("http://", "https://")) else None
    except httpx.InvalidURL:  # a password may look like one
        url = None
    parts = [secret] if url is None else [secret, *url.params.values(), *url.path.split("/")[-1:], url.password]
    return [part for part in parts if len(part) >= 8]


def accepted(response: httpx.Response) -> str:
    """`204 No Content` and the like. Raises by status: 408, 425, 429 and 5xx may say yes later, the rest will not;
    401 (unknown) and 410 (gone) are no to everything."""
    status = f"{response.status_code} {response.reason_phrase}".strip()
    answer = " ".join(f"{status} {response.text}".split())[:ANSWER_MAX]
    if response.is_success:
        return answer
    if not_now(response.status_code):
        raise Retryable("channels.not_now", answer=answer, after_s=retry_after(response.headers))
    if response.is_redirect:
        raise DeliveryError("channels.redirect", answer=status)
    if response.status_code in {401, 410}:
        raise ChannelBroken("channels.refused", answer=answer)
    raise DeliveryError("channels.refused", answer=answer)
