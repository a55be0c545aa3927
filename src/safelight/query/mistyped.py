"""Fields that nobody has, because somebody mistyped one: what is no column is an attribute, and no mistake.

Attributes may have any name, so only what is very like a column or another spelling of one is told of: `sevice`,
`workflowId`, `node-id`; not `mode` (one letter from `node`), not `user_ip`, not `events` (several of something), not
`error.type` (a path). Whoever means the attribute writes `attributes.sevice`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ..event import ALIASES, FIELDS
from .ast import Filter, leaves

_KNOWN: Final = (*FIELDS, *ALIASES)
_BETWEEN: Final = re.compile(r"[_-]")
LONG: Final = 5
"""Letters from which on a word may be one off. In shorter ones only neighbours may be exchanged: `ip` is as good a word
as `id`."""
VERY_LONG: Final = 9
"""From which on it may be two off."""


def fields_of(condition: Filter | None) -> Iterator[str]:
    """The fields that a condition names, in its order."""
    for one in leaves(condition) if condition is not None else ():
        if isinstance(field := getattr(one, "field", None), str):
            yield field


def meant(name: str) -> str | None:
    """The field that was probably meant; None for one that there is, and for what may well be an attribute."""
    if name in _KNOWN or "." in name:
        return None
    for known in _KNOWN:
        if _plain(known) == _plain(name):
            return known
    return next((known for known in _KNOWN if _is_near(name.lower(), known)), None)


def distance(one: str, other: str) -> int:
    """How many letters are missing, too many, wrong or exchanged with their neighbours (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, its in enumerate(other, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != its)))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                row[j] = min(row[j], earlier[j - 2] + 1)
    return row[-1]


def _is_near(name: str, known: str) -> bool:
    """Word by word. The plural of a field is a word of its own."""
    words, its = _BETWEEN.split(name), _BETWEEN.split(known)
    return len(words) == len(its) and name != f"{known}s" and all(map(_is_slip, words, its))


def _is_slip(word: str, meant: str) -> bool:
    if word == meant:
        return True
    off = distance(word, meant)
    if len(meant) < LONG:
        return off == 1 and sorted(word) == sorted(meant)
    return off <= (2 if len(meant) >= VERY_LONG else 1)


def _plain(name: str) -> str:
    return _BETWEEN.sub("", name.lower())
