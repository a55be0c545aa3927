"""What a text message says: the title, short and without anything that a provider takes for a link."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

from ..alerts.notification import Notification
from .cut import cut
from .look import title

ONE_MESSAGE: Final = 70
"""Characters of a text message in UCS-2 (3GPP TS 23.038); what is longer is sent, and paid for, as several."""

Variable = Literal["title", "rule", "service", "instance", "status", "severity", "count"]
"""What a template's variable may be filled with."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_INNER_DOT: Final = re.compile(r"(?<=\w)[.。](?=\w)")
_BRACKETS: Final = str.maketrans("【】{}$", "[]()S")
"""【】 marks the sender, ${} a variable."""


def short(note: Notification, length: int) -> str:
    """The title, in at most `length` characters."""
    return cut(_sayable(title(note)), length)


def filled(note: Notification, variable: Variable, length: int) -> str:
    """What a template's variable is filled with: at most `length` characters, never empty, no link in it."""
    values: dict[Variable, object] = {
        "title": title(note),
        "rule": note.rule,
        "service": note.labels.get("service", ""),
        "instance": note.labels.get("instance", ""),
        "status": note.status,
        "severity": note.severity,
        "count": note.count,
    }
    value = _INNER_DOT.sub("·", _SCHEME.sub("", str(values[variable])))
    return cut(_sayable(value.translate(_BRACKETS)), length) or "-"


def _sayable(value: str) -> str:
    """On one line, without emoji: many a gateway takes none."""
    kept = (
        one for one in value if unicodedata.category(one) not in {"So", "Cs", "Co", "Cn", "Cc", "Cf"} or one.isspace()
    )
    return " ".join("".join(kept).split())
