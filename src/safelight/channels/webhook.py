"""A webhook of one's own: the notification as JSON, or as a template of one's own makes it.

With a `secret`, the header `X-Safelight-Signature: sha256=<hex>` is the HMAC-SHA256 of the body, byte for byte as
sent, keyed with the secret in UTF-8: recompute it over the raw body and compare in constant time. `Idempotency-Key` is
the same for every attempt of one notification; `may_repeat` is true when an earlier attempt may have arrived.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

import httpx
from pydantic import AfterValidator, Field, SecretStr

from ..alerts.notification import Notification
from . import Channel, SecretUrl
from .fields import mistaken

BODY_MAX: Final = 1_000_000
"""Characters of what a template makes."""
FIELDS: Final = frozenset(field.name for field in fields_of(Notification)) - {"key", "language", "chart"}
"""What a template may use."""
OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "idempotency-key", "x-safelight-signature"}
)
"""Headers that nobody else sets."""
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")


def _headers(value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, secret in value.items():
        if not _NAME.fullmatch(name) or name.lower() in OURS or not _VALUE.fullmatch(secret.get_secret_value()):
            raise mistaken("channels.webhook.bad_header", name=name[:50])
    return value


def _template(value: str) -> str:
    from ..alerts.template import TemplateMistake, check_template  # noqa: PLC0415 - Jinja takes 60 ms that few need

    try:
        check_template(value, FIELDS)
    except TemplateMistake as error:
        raise mistaken(error.key, **error.values) from error
    return value


class Webhook(Channel):
    """Posts to `url`. Any 2xx is yes."""

    type: Literal["webhook"] = "webhook"
    url: SecretUrl
    """Where to POST. Name it as env:NAME or file:PATH: it often carries a key."""
    secret: SecretStr | None = None
    """Signs the body: `X-Safelight-Signature: sha256=<hex of HMAC-SHA256>`."""
    headers: Annotated[dict[str, SecretStr], AfterValidator(_headers)] = Field(default={})
    """More headers, such as { Authorization = "env:HOOK_KEY" }."""
    template: Annotated[str, AfterValidator(_template)] | None = None
    """Makes the body instead, in Jinja, from the fields of the usual one: `{"text": {{ title | tojson }}}`. Where it
    fails, the usual body goes out, with the reason as `template_error`."""

    example: ClassVar[dict[str, Any]] = {"name": "hook", "url": "https://alerts.example.com/safelight"}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """The body is the notification, the headers say which one and who sent it."""
        body, kind = self._body(note.body())
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Idempotency-Key": note.key}
        for name, value in self.headers.items():
            headers[name] = value.get_secret_value()
        if self.secret:
            signature = hmac.new(self.secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
            headers["X-Safelight-Signature"] = f"sha256={signature}"
        return httpx.Request("POST", self.url.get_secret_value(), content=body, headers=headers)

    def _body(self, fields: dict[str, Any]) -> tuple[bytes, str]:
        if self.template is not None:
            from ..alerts.template import TemplateMistake, whole  # noqa: PLC0415

            try:
                made = whole(self.template, fields, BODY_MAX)
                if made.strip():
                    return made.encode(), "application/json" if _is_json(made) else "text/plain"
            except TemplateMistake as error:
                fields = {**fields, "template_error": str(error)[:300]}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(), "application/json"


def _is_json(made: str) -> bool:
    try:
        json.loads(made)
    except (ValueError, RecursionError):
        return False
    return True
