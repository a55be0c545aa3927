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
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import httpx
from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from ..alerts.notification import Notification
from ..errors import InputError
from . import Channel, SecretUrl

if TYPE_CHECKING:
    from jinja2 import Template

BODY_MAX: Final = 1_000_000
"""Characters of what a template makes."""
OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "idempotency-key", "x-safelight-signature"}
)
"""Headers that nobody else sets."""
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")


def _mistaken(key: str, **values: object) -> PydanticCustomError:
    error = InputError(key, **values)
    return PydanticCustomError("channel", "{error}", {"error": error})


def _headers(value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name, secret in value.items():
        if not _NAME.fullmatch(name) or name.lower() in OURS or not _VALUE.fullmatch(secret.get_secret_value()):
            raise _mistaken("channels.webhook.bad_header", name=name[:50])
    return value


def _template(value: str) -> str:
    from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - 60 ms that most configurations need not spend

    try:
        _compiled(value)
    except TemplateSyntaxError as error:
        raise _mistaken("channels.webhook.bad_template", line=error.lineno, reason=error.message) from error
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
            try:
                made = _compiled(self.template).render(fields)
                if len(made) <= BODY_MAX:
                    return made.encode(), "application/json" if _is_json(made) else "text/plain"
                reason = f"more than {BODY_MAX} characters"
            except Exception as error:  # noqa: BLE001 - whatever somebody's template does, the message goes out
                reason = f"{type(error).__name__}: {error}"[:300]
            fields = {**fields, "template_error": reason}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(), "application/json"


@lru_cache(maxsize=32)
def _compiled(source: str) -> Template:
    from jinja2 import StrictUndefined  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment.from_string(source)


def _is_json(made: str) -> bool:
    try:
        json.loads(made)
    except (ValueError, RecursionError):
        return False
    return True
