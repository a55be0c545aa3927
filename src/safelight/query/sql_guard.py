"""The door for SQL that a person typed: one SELECT over `events` (or `comfyui_logs`, the same under a known name).

This is the first of two walls. What passes reads no file, setting, environment or catalogue and changes nothing; how
much memory and time it may take is for the process to say that runs it, which has no access to those things either.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import QueryError, QueryTooCostly

MAX_BYTES: Final = 16_384
RELATIONS: Final = frozenset({"events", "comfyui_logs"})

_UNITS: Final = {"ms": "MILLISECOND", "s": "SECOND", "m": "MINUTE", "h": "HOUR", "d": "DAY", "w": "WEEK"}
_SHORT: Final = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|--[^\n]*|/\*.*?\*/)|"""
    r"(?P<now>\bnow\s*\(\s*\)\s*[-+])\s*(?P<count>\d{1,9})\s*(?P<unit>ms|[smhdw])\b",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)
_FORBIDDEN: Final = re.compile("[\x00\ud800-\udfff]")


def guard(text: str) -> str:
    """The SQL to run in place of `text`, printed anew from what was understood and checked.

    `now()-1d` is read as `now() - INTERVAL 1 DAY`. Raises QueryError, with the place where there is one, for anything
    but one SELECT over the known relations, and QueryTooCostly over a limit.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise QueryTooCostly("query.too_long", query=text[:80], limit=MAX_BYTES)
    if found := _FORBIDDEN.search(text):
        readable = _FORBIDDEN.sub("�", text)
        raise QueryError("query.character", query=readable, position=found.start(), code=f"{ord(found[0]):04X}")
    from .sql_rules import admitted  # noqa: PLC0415  sqlglot costs 0.2 s, and only typed SQL needs it

    return admitted(_SHORT.sub(_spelled_out, text))


def _spelled_out(found: re.Match[str]) -> str:
    if found["kept"] is not None:
        return found["kept"]
    return f"{found['now']} INTERVAL {found['count']} {_UNITS[found['unit'].lower()]}"
