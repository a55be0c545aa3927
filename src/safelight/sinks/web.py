"""What sinks that speak HTTP have in common: an address, TLS, and what the status of an answer means.

Nothing is taken from the environment: a proxy set for a browser must not swallow the events of a machine room.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import httpx
from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from ..errors import SinkError, SinkMisconfigured
from ..processors import WrongSetting
from ..units import Duration
from ..wire.http import not_now, retry_after
from . import Sink

ANSWER_MAX: Final = 300
"""Characters kept of what a peer answered."""
OURS: Final = frozenset({"host", "content-length", "content-type", "content-encoding", "transfer-encoding"})
"""Headers that nobody else sets."""
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")


def _address(value: str) -> str:
    try:
        url = httpx.URL(value)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host:
        raise WrongSetting("sinks.web.not_a_url")
    if url.userinfo:
        raise WrongSetting("sinks.web.user_in_url")
    if url.query or url.fragment:
        raise WrongSetting("sinks.web.query_in_url")
    return value.rstrip("/")


def _headers(value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, secret in value.items():
        if not _NAME.fullmatch(name) or name.lower() in OURS or not _VALUE.fullmatch(secret.get_secret_value()):
            raise WrongSetting("sinks.web.bad_header", name=name[:50])
    return value


HttpUrl = Annotated[str, AfterValidator(_address)]
"""The address of a server, without a slash at its end."""

Headers = Annotated[dict[str, SecretStr], AfterValidator(_headers)]
"""More headers of every request."""


class WebSink(Sink):
    """Fields of every sink that speaks HTTP."""

    model_config = ConfigDict(hide_input_in_errors=True)

    ca: Path | None = None
    """PEM file of the authorities to trust instead of the usual ones."""
    verify: bool = True
    """Whether the certificate of an https address is checked. Without it anybody on the way can read and answer."""
    timeout: Duration = timedelta(seconds=60)
    """How long an answer may take."""
    headers: Headers = Field(default={})
    """More headers of every request, such as { "X-Scope-OrgID" = "studio" }."""

    def tls(self) -> ssl.SSLContext:
        """What its connections trust. Raises SinkMisconfigured when `ca` cannot be used."""
        context = httpx.create_ssl_context(trust_env=False)
        try:
            if self.ca is not None:
                context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise SinkMisconfigured("sinks.web.bad_ca", path=self.ca, reason=str(error)) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def own_headers(self) -> dict[str, str]:
        """Those that were configured, and who we are."""
        return {"User-Agent": "Safelight"} | {name: value.get_secret_value() for name, value in self.headers.items()}

    def client(self, url: str) -> httpx.AsyncClient:
        """For one address."""
        return httpx.AsyncClient(
            base_url=url,
            verify=self.tls() if url.startswith("https:") else False,
            headers=self.own_headers(),
            timeout=self.timeout.total_seconds(),
            follow_redirects=False,
            trust_env=False,
        )


def unreachable(url: str, error: Exception) -> SinkError:
    """No answer: nobody there, the connection broke, or it took too long."""
    return SinkError("sinks.web.unreachable", url=url, reason=str(error) or type(error).__name__)


def objection(status: int, headers: Mapping[str, str], answer: str, url: str) -> SinkError:
    """What an answer that is no yes means for the whole of what was sent.

    None of these is for good: a busy server may take it later, and what is wrong with the address, the rights or the
    configuration can be put right; the events wait until it is.
    """
    told = " ".join(answer.split())[:ANSWER_MAX]
    if status in {401, 403}:
        return SinkMisconfigured("sinks.web.not_allowed", url=url, status=status, answer=told)
    if not_now(status):
        return SinkError("sinks.web.not_now", url=url, status=status, answer=told, after_s=retry_after(headers))
    return SinkMisconfigured("sinks.web.wrong_answer", url=url, status=status, answer=told)
