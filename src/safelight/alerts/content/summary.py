"""Many messages in one: what waits for a channel that is too slow, told as a digest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ...locales import text
from ..notification import FIRING, RESOLVED, Notification
from .message import ALERTS_MAX, EVENTS_MAX
from .safe import TITLE_MAX, cut

TITLES_MAX: Final = 20


def summary(notifications: Sequence[Notification], language: str) -> Notification:
    """One message in place of these, oldest first, which are for the same channel.

    Its key is made of theirs, so that the same messages make the same summary. One message stays what it is.
    """
    if len(notifications) == 1:
        return notifications[0]
    first = notifications[0]
    firing = [note for note in notifications if note.status != RESOLVED]
    worst = max(firing or notifications, key=lambda note: note.severity)
    keys = "\n".join(note.key for note in notifications)
    starts = [note.started_at for note in notifications if note.started_at]
    return replace(
        worst,
        key=f"summary.{hashlib.sha256(keys.encode()).hexdigest()[:32]}",
        id=first.id,
        severity=max(note.severity for note in notifications),
        status=FIRING if firing else RESOLVED,
        title=cut(
            text(
                "alerts.summary.title",
                language,
                count=len(notifications),
                firing=len(firing),
                resolved=len(notifications) - len(firing),
            ),
            TITLE_MAX,
        ),
        text="\n".join(_lines(notifications, language)),
        labels=dict(set.intersection(*(set(note.labels.items()) for note in notifications))),
        count=sum(note.count for note in notifications),
        started_at=min(starts, default=None),
        ended_at=None if firing else max((note.ended_at for note in notifications if note.ended_at), default=None),
        events=[event for note in notifications for event in note.events][:EVENTS_MAX],
        alerts=[alert for note in notifications for alert in note.alerts][:ALERTS_MAX],
        advice=worst.advice if len({note.advice for note in firing}) == 1 else "",
        links={name: url for name, url in worst.links.items() if name == "alert"},
        chart=None,
        may_repeat=any(note.may_repeat for note in notifications),
        language=language,
    )


def _lines(notifications: Sequence[Notification], language: str) -> Iterator[str]:
    """The worst first, the same title once."""
    yield text("alerts.summary.why", language)
    ranked = sorted(notifications, key=lambda note: (note.status == RESOLVED, -note.severity))
    titles = Counter(note.title for note in ranked)
    for title, times in list(titles.items())[:TITLES_MAX]:
        yield text("alerts.summary.times", language, title=title, times=times) if times > 1 else f"• {title}"
    if len(titles) > TITLES_MAX:
        yield text("alerts.more", language, count=f"{len(titles) - TITLES_MAX:,}")
