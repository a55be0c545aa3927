"""The chart of a message as a picture."""

from __future__ import annotations

from ..alerts.notification import Notification
from ..alerts.picture import png


def picture(note: Notification) -> bytes | None:
    """A PNG, or None where there is nothing to show."""
    if note.chart is None:
        return None
    try:
        return png(note.chart, note.language)
    except Exception:  # noqa: BLE001 - a chart that cannot be drawn must not keep the words back
        return None
