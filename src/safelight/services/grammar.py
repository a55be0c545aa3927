"""What a grammar is: how the lines of one application fall into records, and what a record means.

Grouping works on bytes, before anything is decoded, and is read by `joiner`; meaning works on text, one record at a
time. Both are pure: no clock, no file, no zone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Fields = dict[str, Any]
"""Columns of `event.FIELDS` by name; `attributes` is a dict; `timestamp` is still as written."""

LEVELS: Final = r"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|ALERT|EMERG"
STAMP: Final = (
    r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d)(?![\w:]))?"
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d"
)
LEVEL: Final = rf"\[\s*(?i:{LEVELS})\s*\]|(?:{LEVELS})(?=[\s:|]|$)|(?i:{LEVELS}):(?=\s|$)"
"""`[error]` and `error:` in any case; bare only in capitals, for "info" and "error" are words too."""

_ANSI: Final = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))"
_ANSI_TEXT: Final = re.compile(_ANSI)
_ANSI_BYTES: Final = re.compile(_ANSI.encode())

NEVER: Final = re.compile(rb"(?!)")
STAMPED: Final = re.compile(rf"(?:<\d{{1,3}}>(?:1 )?)?\[?(?:{STAMP})".encode())
LEVELLED: Final = re.compile(rf"(?:{LEVEL})".encode())
QUIET: Final = re.compile(rb"\b(?:TRACE|DEBUG|INFO|NOTICE)\b|\[(?:trace|debug|info|notice)\]")


@dataclass(frozen=True)
class Grammar:
    """The grammar of one application's console. The defaults fit any Python program."""

    understand: Callable[[str], Fields]
    """What a record of text means. Takes any text, returns at least `message`, never raises."""
    begins: re.Pattern[bytes] = NEVER
    """Lines that begin a record, besides those with a time or a level in front."""
    promises: re.Pattern[bytes] = re.compile(rb"!!! |Exception (?:in|ignored in)\b|.*\b[Ee]xception\b.*:$")
    """Heads after which a traceback belongs to them."""
    explains: re.Pattern[bytes] = NEVER
    """A line that belongs to the traceback before it, across the blank line between them."""
    lists: re.Pattern[bytes] = NEVER
    """Heads of a list ..."""
    items: re.Pattern[bytes] = NEVER
    """... and its lines."""
    blank_ends_traceback: bool = False
    """The application writes a blank line after each traceback, so that an exception's message may have many lines."""


def plain(text: str) -> str:
    """The text as a terminal shows it in the end: without colours, and after a carriage return only what came last."""
    if "\x1b" in text:
        text = _ANSI_TEXT.sub("", text)
    if "\r" in text:
        text = "\n".join(_last_state(line) for line in text.split("\n"))
    return text.strip("\n")


def plain_bytes(line: bytes) -> bytes:
    """One line without colours and line end."""
    if b"\x1b" in line:
        line = _ANSI_BYTES.sub(b"", line)
    return line.rstrip(b"\r\n")


def _last_state(line: str) -> str:
    return next((state for state in reversed(line.split("\r")) if state.strip()), "")
