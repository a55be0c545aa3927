"""Prometheus' Alertmanager: every alert handed over by its API, version 2, for its routes and receivers to tell.

It forgets at a restart, and ends what nobody repeats: what fires is posted again every minute. What it makes of times
was measured with 0.25: a time needs its zone, and an alert that is posted with its end in the past, or that ends within
the `group_wait` of its route, is told to nobody. Stopped, it remembers whom it told; killed, it does not: it tells what
fires once more, and of what ended while it was gone it says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

import httpx
from pydantic import SecretStr

from ..alerts.notification import FIRING, Notification
from ..rows import iso
from . import Channel, Conversation, SecretUrl

KEPT: Final = timedelta(minutes=5)
"""How long an alert is kept alive at least, so that one shorter than the usual `group_wait` (30 s) is told."""
SEVERITIES: Final = {1: "info", 2: "warning", 3: "critical"}
_ODD: Final = re.compile(r"[^A-Za-z0-9_]")


class Alertmanager(Channel):
    """Hands alerts over to an Alertmanager, which groups, silences and tells them by its own routes."""

    type: Literal["alertmanager"] = "alertmanager"
    url: SecretUrl
    """Its address, such as http://127.0.0.1:9093; `/api/v2/alerts` is added."""
    user: str | None = None
    """For basic authentication, with `password`."""
    password: SecretStr | None = None
    """For basic authentication, as env:NAME or file:PATH."""
    token: SecretStr | None = None
    """A bearer token instead, as env:NAME or file:PATH."""
    digest: bool = False
    """Takes the daily digest; an Alertmanager has no use for one."""

    resend: ClassVar[timedelta | None] = timedelta(seconds=60)
    example: ClassVar[dict[str, Any]] = {"name": "am", "url": "http://127.0.0.1:9093", "allow_private": True}

    def request(self, note: Notification, now: datetime) -> httpx.Request:
        """Every alert of the message."""
        told = {"text": note.text, "advice": note.advice, "url": next(iter(_links(note)), "")}
        alerts = note.alerts or [_whole(note)]
        return self._post([self._alert({**told, **alert}, now, now + KEPT) for alert in alerts], note.key)

    def reminder(self, alerts: Sequence[Mapping[str, Any]], now: datetime) -> Conversation:
        """The same again. A short alert that is over is left alone once it has had its five minutes: posting its end
        could overtake Alertmanager's first word about it."""
        again = []
        for alert in alerts:
            until = _time(alert["ended_at"], now) + KEPT
            if alert["status"] == FIRING or not _short(alert, now) or now < until:
                again.append(self._alert(alert, now, until))
        if not again:
            return ""
        return self.verdict((yield self._post(again)))

    def _alert(self, alert: Mapping[str, Any], now: datetime, kept_until: datetime) -> dict[str, Any]:
        starts = min(_time(alert["started_at"], now), now)
        if alert["status"] == FIRING:
            ends = now + 4 * (self.resend or KEPT)
        elif _short(alert, now):
            ends = kept_until
        else:
            ends = min(_time(alert["ended_at"], now), now)
        told = {name: str(alert[name]) for name in ("title", "text", "advice", "count") if alert.get(name)}
        made = {"labels": labels(alert), "annotations": told, "startsAt": iso(starts), "endsAt": iso(max(ends, starts))}
        return made | ({"generatorURL": alert["url"]} if alert.get("url") else {})

    def _post(self, alerts: Sequence[Mapping[str, Any]], key: str | None = None) -> httpx.Request:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        body = json.dumps(alerts, ensure_ascii=False, separators=(",", ":")).encode()
        url = f"{self.url.get_secret_value().rstrip('/')}/api/v2/alerts"
        request = httpx.Request("POST", url, content=body, headers=headers)
        if self.user is not None and not self.token:
            password = self.password.get_secret_value() if self.password else ""
            request = next(httpx.BasicAuth(self.user, password).auth_flow(request))
        return request


def labels(alert: Mapping[str, Any]) -> dict[str, str]:
    """What Alertmanager tells alerts apart by: `alertname` is the rule; names are letters, digits and underscores."""
    found = {"alertname": str(alert["rule"]), "severity": SEVERITIES.get(int(alert.get("severity", 2)), "warning")}
    for name, value in alert.get("labels", {}).items():
        plain = _ODD.sub("_", name) or "_"
        plain = f"_{plain}" if plain[0].isdigit() else plain
        if str(value):
            found.setdefault(plain, str(value))
    return found


def _whole(note: Notification) -> Mapping[str, Any]:
    names = ("id", "rule", "severity", "status", "title", "labels", "count", "started_at", "ended_at")
    return {name: getattr(note, name) for name in names}


def _links(note: Notification) -> list[str]:
    wanted = (note.links.get(name, "") for name in ("alert", "logs", "run"))
    return [url for url in wanted if url]


def _short(alert: Mapping[str, Any], now: datetime) -> bool:
    return _time(alert["ended_at"], now) - _time(alert["started_at"], now) < KEPT


def _time(value: str | None, otherwise: datetime) -> datetime:
    return datetime.fromisoformat(value) if value else otherwise
