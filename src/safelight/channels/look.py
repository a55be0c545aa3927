"""How a message looks at a glance, the same in every channel: mark, colour, title and links."""

from __future__ import annotations

from typing import Final

from ..alerts.notification import RESOLVED, Notification
from ..locales import catalogue, text
from .cut import cut, size

TITLE_MAX: Final = 200

_MARKS: Final = {3: "🔴", 2: "🟠", 1: "🔵"}
_COLOURS: Final = {3: 0xD92D20, 2: 0xF79009, 1: 0x2E90FA}
_OVER_MARK: Final = "🟢"
_OVER_COLOUR: Final = 0x12B76A


def mark(note: Notification) -> str:
    """A coloured dot: red, orange, blue by severity; green for what is over."""
    return _OVER_MARK if note.status == RESOLVED else _MARKS[note.severity]


def colour(note: Notification) -> int:
    """The colour of the dot, 0xRRGGBB."""
    return _OVER_COLOUR if note.status == RESOLVED else _COLOURS[note.severity]


def title(note: Notification) -> str:
    """One line of 200 characters at most; it says so when the message may have arrived before."""
    line = cut(" ".join(note.title.split()), TITLE_MAX)
    return text("channels.may_repeat", note.language, title=line) if note.may_repeat else line


def links(note: Notification, room: int | None = None) -> list[tuple[str, str]]:
    """Label and URL of each, in the order of the message; `room` is how many bytes they may take together, and what
    does not fit is left out."""
    labels = catalogue(note.language)
    kept, left = [], room
    for name, url in note.links.items():
        label = labels.get(f"channels.link.{name}", name)
        if left is not None:
            if (taken := size(label) + size(url)) > left:
                continue
            left -= taken
        kept.append((label, url))
    return kept
