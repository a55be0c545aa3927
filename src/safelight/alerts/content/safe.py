"""Text from a log, made fit to be shown: it is hostile and private until it has passed `shown`.

Control and text-direction characters are removed, keys, home paths and private addresses redacted. Markup is the
channel's business.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from ...processors.redact import redact_text

TITLE_MAX: Final = 100
LINE_MAX: Final = 400
READ_MAX: Final = 8_000
"""Characters of one text that are looked at: a traceback of 1 MB costs no more than one of a page."""
EDGE: Final = 200
"""Left away at the end of a text that was cut before it was redacted: half a key looks like none."""

_TEXT_DIRECTION: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def shown(value: object) -> str:
    """Nothing that moves a cursor or turns the text around, nothing private. Of a long text its beginning."""
    whole = str(value)
    said = redact_text(harmless(whole[:READ_MAX]), paths=True, addresses=True)
    return said if len(whole) <= READ_MAX else cut(said, max(1, len(said) - EDGE))


def harmless(value: str) -> str:
    """Nothing that moves a cursor or turns the text around."""
    return "".join(
        character
        for character in value
        if character in "\n\t"
        or ((unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}) and character not in _TEXT_DIRECTION)
    )


def ending(value: object) -> str:
    """The same for a text whose end matters, from a whole line on."""
    whole = str(value)
    return shown(whole if len(whole) <= READ_MAX else whole[-READ_MAX:].partition("\n")[2])


def redacted(value: Any) -> Any:
    """The same for everything within a JSON value."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {shown(name): redacted(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [redacted(inner) for inner in value]
    return value


def cut(value: str, length: int) -> str:
    """At most `length` characters, the last of them an ellipsis where something is missing."""
    return value if len(value) <= length else value[: length - 1].rstrip() + "…"


def one_line(value: str) -> str:
    """Without line breaks and rows of blanks."""
    return " ".join(value.split())


def clock(at: datetime, zone: tzinfo) -> str:
    """With the zone's name, and its offset because names are shared (CST is the time of Shanghai and of Chicago)."""
    local = at.astimezone(zone)
    name, offset = local.tzname() or "", local.strftime("%z")
    place = "UTC" if offset in {"+0000", ""} else f"UTC{offset[:3]}:{offset[3:5]}"
    named = f"{name} ({place})" if name.isalpha() and name != "UTC" else place
    return f"{local:%Y-%m-%d %H:%M:%S} {named}"
