"""Plain text as Python programs and system services log it; the grammar of every application without one of its own.

Read are the usual forms of Python's `logging` (`2025-04-05 10:30:15,120 ERROR name: text`, `... - name - ERROR - text`,
`ERROR:name:text`), `[ERROR] 2024-05-13 14:22:31 text`, `[2025-04-05 10:30] text`, loguru, uvicorn, gunicorn, nginx and
syslog (RFC 3164 and 5424). What has no such form is its own message, at level INFO.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from ..event import Name, level_of
from . import tracebacks
from .grammar import LEVEL, STAMP, Fields, Grammar, plain

_PRIORITY: Final = re.compile(r"<(\d{1,3})>(?:1 )?")
_STAMP: Final = re.compile(rf"\[?({STAMP})\]?\s*(?:[-|]\s)?\s*", re.ASCII)
_LEVEL: Final = re.compile(rf"({LEVEL}):?\s*(?:[-|]\s)?\s*")
_PROCESS: Final = re.compile(r"\[\d+\]\s+|\d+#\d+:\s+")
_LOGGER_THEN_LEVEL: Final = re.compile(rf"([\w.\-]+) (?:- )?(?=(?:{LEVEL}))")
_LOGGER: Final = re.compile(r"([a-z_][a-z0-9_.]*)(?:: | - )")
_BASIC: Final = re.compile(r"([A-Za-z_][\w.]*):")
_LOGURU: Final = re.compile(r"([\w.<>]+:[\w.<>]+:\d+) - ")
_SYSLOG: Final = re.compile(r"(\S+) ([\w./\-]+)(?:\[\d+\])?: |(\S+) (\S+) \S+ \S+ (?:-|\[[^\]]*\]) ")
_PROGRESS: Final = re.compile(
    r"(?P<what>.*?)(?:: )?\s*(?P<percent>\d{1,3})%\|[^|]*\|\s*(?P<value>[\d.]+\w?)/(?P<max>[\d.]+\w?)\s*\[[^\]]*\]?\s*",
    re.DOTALL,
)
_WARNING: Final = re.compile(r"\S.*\.py:\d+: ([A-Za-z]*Warning): ")  # as Python's warnings module prints them
_GROUP: Final = "  + Exception Group "


class Opening(NamedTuple):
    """What stands before the message of a log line."""

    level: str | None
    stamp: str | None
    extra: dict[str, Any]
    message: str


def understand(text: str) -> Fields:
    """The columns of one record of text."""
    opening = opened(plain(text))
    fields = progress(opening.message) or described(opening.message)
    if opening.stamp:
        fields["timestamp"] = opening.stamp
    if opening.level and "traceback" in fields and opening.level == "INFO":
        fields["level"] = "ERROR"
    elif opening.level:
        fields["level"] = opening.level
    if "host" in opening.extra:
        fields["host"] = opening.extra.pop("host")
    if opening.extra:
        fields["attributes"] = {**opening.extra, **fields.get("attributes", {})}
    return fields


def opened(text: str) -> Opening:
    """A line's time, level and origin, in whatever order they stand, and the rest."""
    level, stamp, extra, at = None, None, {}, 0
    if found := _PRIORITY.match(text):
        level, at = level_of(int(found[1]) & 7), found.end()
        syslog = True
    else:
        syslog = False
    for _ in range(3):
        if stamp is None and (found := _STAMP.match(text, at)):
            stamp, at = found[1], found.end()
            syslog = syslog or stamp[0].isalpha()
        elif stamp is not None and (found := _PROCESS.match(text, at)):
            at = found.end()
        if (level is None or syslog) and (found := _LEVEL.match(text, at)):
            level, at = level_of(found[1].strip("[]: \t")), found.end()
        elif stamp is not None and level is None and (found := _LOGGER_THEN_LEVEL.match(text, at)):
            extra["logger"], at = found[1], found.end()
    if syslog and stamp and (found := _SYSLOG.match(text, at)):
        extra["host"], extra["program"], at = found[1] or found[3], found[2] or found[4], found.end()
    elif level and "logger" not in extra and (found := _logger(text, at, stamped=stamp is not None)):
        extra["logger"], at = found[1], found.end()
    return Opening(level, stamp, extra, text[at:].lstrip())


def _logger(text: str, at: int, *, stamped: bool) -> re.Match[str] | None:
    """Its name, where formats put one: after a time and a level, or as in `ERROR:name:text`. Elsewhere a word with a
    colon is part of the message."""
    if stamped:
        return _LOGURU.match(text, at) or _LOGGER.match(text, at)
    return _BASIC.match(text, at) if text[at - 1] == ":" else None


def described(message: str) -> Fields:
    """A message by itself; with the exception in columns of their own when it ends in a traceback."""
    at = message.find(tracebacks.HEADER)
    if at < 0:
        warned = _WARNING.match(message)
        level, extra = ("WARNING", {"attributes": {"warning": warned[1]}}) if warned else ("INFO", {})
        return {"event": Name.LOG.value, "level": level, "message": message, **extra}
    at = message.rfind("\n", 0, at) + 1 if message[:at].endswith(_GROUP) else at
    said, trace = _unstamped(message[:at]).strip(), message[at:]
    fell = tracebacks.failure(trace)
    exception = f"{fell.error_type}: {fell.error_message}" if fell.error_message else fell.error_type
    fields: Fields = {
        "event": Name.LOG.value,
        "level": "ERROR",
        "message": said or exception or tracebacks.HEADER,
        "error_type": fell.error_type,
        "error_message": fell.error_message,
        "traceback": trace,
    }
    own = [frame for frame in fell.frames if is_own(frame)]
    if own or fell.frames:
        fields["attributes"] = {"frame": (own or fell.frames)[-1].place}
    return fields


def _unstamped(said: str) -> str:
    """Without a last line that is nothing but a time: a log that stamps every write has one before the traceback."""
    before, _, last = said.rpartition("\n")
    return before if _STAMP.fullmatch(last) else said


def is_own(frame: tracebacks.Frame) -> bool:
    """Whether this is the application's code: not an installed package, not the interpreter."""
    file = frame.file.replace("\\", "/")
    return "/site-packages/" not in file and "/lib/python3" not in file and not file.startswith("<")


def progress(message: str) -> Fields | None:
    """The last state of a tqdm progress bar."""
    found = _PROGRESS.fullmatch(message) if "%|" in message else None
    if found is None:
        return None
    bar: dict[str, Any] = {"percent": int(found["percent"]), "value": found["value"], "max": found["max"]}
    if found["what"].strip():
        bar["what"] = found["what"].strip()
    return {"event": "progress", "level": "DEBUG", "message": message.strip(), "attributes": {"progress": bar}}


GRAMMAR: Final = Grammar(understand=understand, begins=re.compile(rb".*\d{1,3}%\|"))
