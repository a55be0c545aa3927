"""A line with everything hidden that the words around a filter cannot stand in: strings, regular expressions and what
is in parentheses. Every character keeps its place, so that what is found in the mask can be cut from the line."""

from __future__ import annotations

import re
from typing import Final

_OPAQUE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|“[^”]*”|(?<![^\s:(])/(?:[^\\/]|\\.)+/(?=[\s()\]}|,]|$)|\\.', re.DOTALL)
_INNERMOST: Final = re.compile(r"\([^()]*\)", re.DOTALL)


def masked(line: str) -> str:
    """`line` with an `x` for each hidden character."""
    hidden = _OPAQUE.sub(lambda found: "x" * len(found[0]), line)
    while _INNERMOST.search(hidden):
        hidden = _INNERMOST.sub(lambda found: "x" * len(found[0]), hidden)
    return hidden
