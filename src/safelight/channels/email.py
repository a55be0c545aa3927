"""Mail over a server of one's own: text, the same as a page, and the chart inside it.

All mails about one alert refer to one root, so that they are one thread. The Message-ID is made of the notification's
key: a repeat has the same one, and most mailboxes show it once.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from html import escape
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, model_validator

from ..alerts.notification import FIRING, Notification
from ..locales import text
from . import Channel, Conversation, Mail
from .fields import mistaken
from .look import links, title
from .picture import picture

CHART: Final = "chart@safelight"
"""Content-ID of the picture."""
SUBJECT_MAX: Final = 200
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_SPEC: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.\[\]:-]{1,255}"
_ADDRESS: Final = re.compile(rf"({_SPEC})|[^<>,\x00-\x1f\x7f]*<({_SPEC})>")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_COLOURS: Final = {1: "#2f6fb0", 2: "#9a6200", 3: "#c5303c"}
_OVER: Final = "#27734d"
"""Darker than in chats: white on them has a contrast of 4.5 to 1 and more (WCAG 2 AA)."""
_POLICY: Final = SMTP.clone(cte_type="7bit")
"""7 bit throughout: every relay takes it."""


def _address(value: str) -> str:
    found = _ADDRESS.fullmatch(value)
    if not found or parseaddr(value)[1] != (found[1] or found[2]):  # `a@x.com <b@y.com>` would go to the former
        raise mistaken("channels.email.bad_address", value=value[:100])
    return value


MailAddress = Annotated[str, AfterValidator(_address)]
"""`ops@example.com`, or `Night shift <ops@example.com>`."""


class Email(Channel):
    """Sends mail through an SMTP server, text and page, with the chart inside. One refused recipient stops no other."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["email"] = "email"
    host: str = Field(min_length=1)
    """The mail server's name, the one in its certificate."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Its port; by default 587 for starttls, 465 for tls, 25 for none."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted. With none, user and password travel in the clear."""
    user: str | None = None
    """Whom to log in as; without it there is no login."""
    password: SecretStr | None = None
    """The password, or the code for clients that QQ and 163 call authorization code, as env:NAME or file:PATH."""
    sender: MailAddress = Field(alias="from")
    """Whom the mail is from; most servers insist on the user's own address."""
    to: tuple[MailAddress, ...] = Field(min_length=1, max_length=100)
    """Whom the mail goes to."""
    subject_prefix: str = Field(default="", max_length=50)
    """Stands before every subject, such as [gpu-1]."""
    ca: Path | None = None
    """A PEM file with the authorities that prove the server, instead of the usual ones."""

    example: ClassVar[dict[str, Any]] = {
        "name": "mail",
        "host": "smtp.example.com",
        "user": "alerts@example.com",
        "password": "PASSWORD",
        "from": "Safelight <alerts@example.com>",
        "to": ["ops@example.com"],
    }

    @model_validator(mode="after")
    def _no_proxy(self) -> Email:
        if self.proxy is not None:
            raise mistaken("channels.email.no_proxy")
        return self

    def conversation(self, note: Notification, now: datetime) -> Conversation:
        """One mail to everybody."""
        answer: str = yield Mail(
            host=self.host,
            port=self.port or _PORTS[self.security],
            security=self.security,
            user=self.user,
            password=self.password.get_secret_value() if self.password else None,
            sender=parseaddr(self.sender)[1],
            recipients=tuple(parseaddr(one)[1] for one in self.to),
            message=self.written(note, now),
            ca=self.ca,
        )
        return answer

    def written(self, note: Notification, now: datetime) -> bytes:
        """The whole mail, RFC 5322. `now` is its date."""
        domain = parseaddr(self.sender)[1].rpartition("@")[2].strip("[]")
        mail = EmailMessage(policy=_POLICY)
        mail["From"] = _header_address(self.sender)
        mail["To"] = tuple(map(_header_address, self.to))
        mail["Subject"] = _one_line(f"{self.subject_prefix} {title(note)}")[:SUBJECT_MAX]
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = _id("message", note.key, domain)
        mail["In-Reply-To"] = mail["References"] = _id("alert", f"{note.rule}\0{note.id}", domain)
        mail["Auto-Submitted"] = "auto-generated"
        if note.severity == 3 and note.status == FIRING:
            mail["Importance"] = "high"
        chart = picture(note)
        mail.set_content(plain(note))
        mail.add_alternative(page(note, with_chart=chart is not None), subtype="html")
        if chart is not None:
            body = mail.get_body(("html",))
            if isinstance(body, EmailMessage):
                body.add_related(chart, "image", "png", cid=f"<{CHART}>", filename="chart.png", disposition="inline")
        for number, part in enumerate(mail.walk()):
            if part.is_multipart():
                part.set_boundary(f"safelight-{number}-{hashlib.sha256(note.key.encode()).hexdigest()[:24]}")
        return mail.as_bytes()


def plain(note: Notification) -> str:
    """For readers without pages: title, text, links."""
    parts = [title(note), note.text, "\n".join(f"{label}: {url}" for label, url in links(note))]
    return _CONTROL.sub("", "\n\n".join(part for part in parts if part)) + "\n"


def page(note: Notification, *, with_chart: bool) -> str:
    """The message as HTML: one column, readable on a phone, in light and dark; it loads nothing from anywhere."""
    firing = note.status == FIRING
    colour = _COLOURS[note.severity] if firing else _OVER
    mark = text(f"channels.email.{f'severity.{note.severity}' if firing else 'over'}", note.language)
    facts = "".join(
        f'<tr><td class="q" style="padding:4px 12px 4px 0;color:#5b6570;vertical-align:top">{_html(name)}</td>'
        f'<td style="padding:4px 0;word-break:break-word">{_html(value)}</td></tr>'
        for name, value in _facts(note)
    )
    buttons = "".join(
        f'<a href="{escape(url, quote=True)}" style="display:inline-block;margin:0 8px 8px 0;padding:10px 16px;'
        f'border-radius:6px;background:{colour};color:#ffffff;text-decoration:none">'
        f"{_html(label)}</a>"
        for label, url in links(note)
        if url.startswith(("https://", "http://"))
    )
    lines = "<br>".join(_html(line) for line in note.text.split("\n"))
    chart = f'<p><img src="cid:{CHART}" alt="" style="max-width:100%;height:auto"></p>' if with_chart else ""
    return f"""<!doctype html>
<html lang="{note.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<style>:root{{color-scheme:light dark}}
@media (prefers-color-scheme:dark){{
body,.c{{background:#15171a!important;color:#e6e6e6!important}}.q{{color:#9aa4ad!important}}}}
</style></head>
<body style="margin:0;background:#ffffff;color:#1c2024;font:16px/1.5 'PingFang SC','Microsoft YaHei',sans-serif">
<div class="c" style="max-width:640px;margin:0 auto;padding:16px">
<span style="background:{colour};color:#ffffff;border-radius:4px;padding:3px 10px;font-size:14px">{_html(mark)}</span>
<h1 style="font-size:20px;line-height:1.3;margin:8px 0;word-break:break-word">{_html(title(note))}</h1>
<p style="word-break:break-word">{lines}</p>
{chart}<table role="presentation" style="border-collapse:collapse;font-size:14px">{facts}</table>
<p>{buttons}</p>
</div></body></html>
"""


def _facts(note: Notification) -> list[tuple[str, str]]:
    since, ended = (time[:19].replace("T", " ") + " UTC" if time else "" for time in (note.started_at, note.ended_at))
    words = {"rule": note.rule, "since": since, "ended": ended, "count": str(note.count)}
    told = [(text(f"channels.email.{name}", note.language), value) for name, value in words.items() if value]
    return [*told, *note.labels.items()]


def _html(value: str) -> str:
    return escape(_CONTROL.sub("", value))


def _one_line(value: str) -> str:
    return " ".join(_CONTROL.sub(" ", value).split())


def _header_address(value: str) -> Address:
    name, address = parseaddr(value)
    user, _, domain = address.rpartition("@")
    return Address(_one_line(name), user, domain)


def _id(kind: str, of: str, domain: str) -> str:
    return f"<{kind}.{hashlib.sha256(of.encode()).hexdigest()[:32]}@{domain}>"
