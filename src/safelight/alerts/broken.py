"""A channel that takes nothing any more: the others are told, once each time it breaks."""

from __future__ import annotations

from datetime import datetime

from ..locales import text
from ..rows import iso
from .content import TITLE_MAX, cut, shown
from .notification import FIRING, Notification

RULE = "channel-broken"
"""What stands in the place of the rule."""


def broken(name: str, reason: str, at: datetime, *, channel: str, language: str, base_url: str | None) -> Notification:
    """What `channel` says of the one called `name`."""
    title = text("alerts.channel_broken.title", language, channel=name)
    return Notification(
        key=f"{message_key(name, at)}.{channel}",
        id=RULE,
        rule=RULE,
        severity=3,
        status=FIRING,
        title=cut(title, TITLE_MAX),
        text=text("alerts.channel_broken", language, channel=name, reason=shown(reason)),
        labels={"channel": name},
        started_at=iso(at),
        links={"alert": f"{base_url.rstrip('/')}/alerts"} if base_url else {},
        language=language,
    )


def message_key(name: str, at: datetime) -> str:
    """The same for every channel that is told, another each time it breaks."""
    return f"{RULE}.{name}.{int(at.timestamp() * 1000)}"
