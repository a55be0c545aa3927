"""Cutting a text to a peer's limit, on a character boundary and before it is escaped, so that no escape is halved."""

from __future__ import annotations

from collections.abc import Callable


def longest(value: str, fits: Callable[[str], bool]) -> str:
    """`value`, or as much of its beginning, with an ellipsis, as `fits`.

    About log2(len) questions. What comes back fits, unless not even the ellipsis does.
    """
    if fits(value):
        return value
    enough, too_much = 0, len(value)
    while too_much - enough > 1:
        middle = (enough + too_much) // 2
        if fits(value[:middle] + "…"):
            enough = middle
        else:
            too_much = middle
    return value[:enough] + "…"


def cut(value: str, units: int) -> str:
    """At most `units` UTF-16 code units, the last of them an ellipsis where something is missing."""
    return value if utf16(value) <= units else beginning(value, units - 1) + "…"


def beginning(value: str, units: int) -> str:
    """The first `units` UTF-16 code units, one less where a character would be halved."""
    return value[:units].encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")


def utf16(value: str) -> int:
    """Length in UTF-16 code units, as phones and most chat services count characters: an emoji is two."""
    return len(value) + sum(character > "\uffff" for character in value)


def size(value: str) -> int:
    """Length in bytes of UTF-8."""
    return len(value.encode())
