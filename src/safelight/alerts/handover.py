"""What a peer that keeps alerts itself, such as Alertmanager, is to know now: what fires, and what ended just now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from .alert import Alert
from .content import compose
from .group import Message
from .mutes import INHIBITED, SHADOW, SILENCE, Mutes
from .notification import FIRING, RESOLVED
from .rule import Rule

ENDED_WITHIN: Final = timedelta(minutes=15)
"""What ended is handed over so long: the peer may have been away when it did."""
ALERTS_MAX: Final = 1_000


def handed_over(
    alerts: Iterable[Alert],
    mutes: Mutes,
    rules: Mapping[str, Rule],
    *,
    now: datetime,
    language: str,
    base_url: str | None,
    zone: tzinfo,
) -> list[dict[str, Any]]:
    """Those of which somebody was told, as in `Notification.alerts`, with their `text`, `advice` and `url`.

    Quiet hours and acknowledgements keep a message back, not the fact: a peer that stops hearing of it would call it
    over.
    """
    found = []
    for alert in alerts:
        if not alert.heard or not _current(alert, now):
            continue
        mute = mutes.reason(alert, now, flapping=False, quiet=False) if alert.status == FIRING else None
        if mute is not None and mute.by in {SHADOW, SILENCE, INHIBITED}:
            continue
        message = Message(alert.id, alert.group, alert.status, (alert,))
        note = compose(message, rules, language=language, base_url=base_url, zone=zone, channel="")
        url = note.links.get("alert") or note.links.get("logs")
        found.append({**note.alerts[0], "text": note.text, "advice": note.advice, "url": url})
    return found


def _current(alert: Alert, now: datetime) -> bool:
    ended_lately = alert.ended_at is not None and now - alert.ended_at <= ENDED_WITHIN
    return alert.status == FIRING or (alert.status == RESOLVED and ended_lately)
