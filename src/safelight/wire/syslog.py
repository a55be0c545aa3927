"""Syslog messages: RFC 5424, RFC 3164 and what devices make of it.

Understood besides the two: no priority, no host, ISO times and times with a year or a fraction in the old form, Cisco's
sequence numbers, `*` and `%FACILITY-SEVERITY-MNEMONIC:`, a byte order mark before the text. What has none of these
forms is its own message. Framing over TCP is that of RFC 6587: octet counting, or lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

LEVELS: Final = ("CRITICAL", "CRITICAL", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
"""By severity (RFC 5424 §6.2.1)."""
SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"),
)
"""By number (RFC 5424 §6.2.1)."""

_NIL: Final = "-"
_BOM: Final = "\ufeff"
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PRIORITY: Final = re.compile(r"<(\d{1,3})>", re.ASCII)
_NEW: Final = re.compile(r"1 (\S+) (\S{1,255}) (\S{1,128}) (\S{1,128}) (\S{1,128})(?: |$)")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?=[ :]|$)", re.ASCII)
_OLD: Final = re.compile(
    r"[*.]?(?:(?P<before>\d{4}) )?(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?:(?P<after>\d{4}) )?"
    r"(?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d{1,9})?(?: (?P<last>\d{4})(?= ))?(?: (?P<zone>UTC|GMT|Z)\b)?"
    r"(?: [A-Z]{3,5}(?=:))?",
    re.ASCII,
)
_SEQUENCE: Final = re.compile(r":? ?(?:\d{1,10}: )?(?:(?P<host>[A-Za-z][\w.\-]*): )?(?=[*.]?(?:\d{4} )?[A-Z][a-z]{2} )")
_CISCO: Final = re.compile(r"%(?P<mnemonic>[A-Z]\w*(?:-\w+)*-[0-7]-[A-Z0-9_]+): ?", re.ASCII)
_TAG: Final = re.compile(r"(?!@cee:)(?P<app>[^\s:\[\]<>{}\"]{1,128})(?:\[(?P<pid>[^\]\s]{1,128})\]:?|:) ?")
_NAMES_ITSELF: Final = re.compile(r"[^\s:\[\]]+(?:\[[^\]\s]+\]:?|:)(?=\s|$)")
_HOST: Final = re.compile(r"(?P<host>[A-Za-z0-9][\w.\-]*(?:%\w+)?|[0-9A-Fa-f:.]+) +")
_DATA_NAME: Final = re.compile(r"[^ =\]\"]{1,128}")
_NOTHING: Final = b"\r\n\0 "
_LONGEST: Final = 3  # bytes of a UTF-8 character after its first
_COUNT: Final = re.compile(rb"([1-9]\d{0,8}) ")


@dataclass(slots=True)
class Message:
    """One message. `time` is as Safelight reads times: ISO 8601, with a zone or without."""

    text: str
    facility: str | None = None
    severity: int | None = None
    time: str | None = None
    host: str | None = None
    app: str | None = None
    process: str | None = None
    message_id: str | None = None
    data: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def level(self) -> str | None:
        """What its severity means."""
        return None if self.severity is None else LEVELS[self.severity]


def parse(message: bytes, now: datetime) -> Message:
    """A message. `now` gives the year to times without one: the one that puts them nearest before it. Never raises.

    What is not UTF-8 stays recognisable, as surrogate escapes (PEP 383).
    """
    text = message.decode("utf-8", "surrogateescape").rstrip("\r\n\0")
    text = text.removeprefix(_BOM)
    found = Message(text)
    at = 0
    if priority := _PRIORITY.match(text):
        number = int(priority[1])
        if number < 8 * len(FACILITIES):
            found.facility, found.severity = FACILITIES[number >> 3], number & 7
            at = priority.end()
    if at and (header := _NEW.match(text, at)):
        _read_new(found, text, header)
    else:
        _read_old(found, text, at, now)
    return found


def _read_new(found: Message, text: str, header: re.Match[str]) -> None:
    """RFC 5424 §6."""
    time, host, app, process, message_id = (None if part == _NIL else part for part in header.groups())
    found.time, found.host, found.app, found.process, found.message_id = time, host, app, process, message_id
    at = header.end()
    if text.startswith(_NIL, at):
        at += 1
    else:
        found.data, at = _structured(text, at)
    found.text = text[at:].removeprefix(" ").removeprefix(_BOM)


def _structured(text: str, at: int) -> tuple[dict[str, dict[str, Any]], int]:
    """Structured data (§6.3) and where it ends; what is no such data is left to the text."""
    data: dict[str, dict[str, Any]] = {}
    while text.startswith("[", at):
        name = _DATA_NAME.match(text, at + 1)
        if name is None:
            break
        element: dict[str, Any] = {}
        end = name.end()
        while (
            text.startswith(" ", end) and (key := _DATA_NAME.match(text, end + 1)) and text.startswith('="', key.end())
        ):
            value, closed = _quoted(text, key.end() + 2)
            if closed is None:
                return data, at
            _add(element, key[0], value)
            end = closed
        if not text.startswith("]", end):
            break
        _add(data, name[0], element)
        at = end + 1
    return data, at


def _quoted(text: str, at: int) -> tuple[str, int | None]:
    r"""A value up to its quote, in which `"`, `\` and `]` are escaped (§6.3.3), and where it ends."""
    parts: list[str] = []
    begin = at
    while at < len(text):
        char = text[at]
        if char == '"':
            parts.append(text[begin:at])
            return "".join(parts), at + 1
        if char == "\\" and text[at + 1 : at + 2] in {'"', "\\", "]"}:
            parts.append(text[begin:at])
            begin = at + 1
            at += 1
        at += 1
    return "", None


def _add(into: dict[str, Any], name: str, value: Any) -> None:
    """A name may come several times: then its values are a list."""
    if name not in into:
        into[name] = value
    elif isinstance(into[name], list):
        into[name].append(value)
    else:
        into[name] = [into[name], value]


def _read_old(found: Message, text: str, at: int, now: datetime) -> None:
    """RFC 3164 §4, and its relatives."""
    if sequence := _SEQUENCE.match(text, at):
        found.host, at = sequence["host"], sequence.end()
    stamped = False
    if iso := _ISO.match(text, at):
        found.time, at, stamped = iso[0], iso.end(), True
    elif (old := _OLD.match(text, at)) and (time := _dated(old, now)):
        found.time, at, stamped = time, old.end(), True
    if stamped:
        at = _skip(text, at)
        if not _names_itself(text, at) and (host := _HOST.match(text, at)):
            found.host, at = host["host"], host.end()
            at = _skip(text, at)
    if cisco := _CISCO.match(text, at):
        found.message_id, at = cisco["mnemonic"], cisco.end()
    elif (stamped or at) and (tag := _TAG.match(text, at)):
        found.app, found.process, at = tag["app"], tag["pid"], tag.end()
    found.text = text[at:].removeprefix(_BOM)


def _skip(text: str, at: int) -> int:
    """Past the blank, and the colon that Cisco puts after its time and its host."""
    while text[at : at + 1] in {" ", ":"}:
        at += 1
    return at


def _names_itself(text: str, at: int) -> bool:
    """Whether a program stands here, not a host: `su: ...`, `su[12]: ...`, `%SYS-5-...`."""
    return text.startswith("%", at) or _NAMES_ITSELF.match(text, at) is not None


def _dated(old: re.Match[str], now: datetime) -> str | None:
    """The ISO form of `Oct 11 22:14:15`; None when it is no date."""
    if old["month"] not in _MONTHS:
        return None
    year = old["before"] or old["after"] or old["last"]
    rest = f"{_MONTHS.index(old['month']) + 1:02d}-{int(old['day']):02d}T{old['time']}"
    for candidate in (int(year),) if year else range(now.year + 1, now.year - 8, -1):
        try:
            moment = datetime.fromisoformat(f"{candidate:04d}-{rest}").replace(tzinfo=now.tzinfo)
        except ValueError:  # the 29th of February of another year, or nothing like a date
            continue
        if year or moment <= now + timedelta(days=1):  # clocks and zones differ by less
            return f"{candidate:04d}-{rest}{old['fraction'] or ''}{'Z' if old['zone'] else ''}"
    return None


class Framer:
    """Cuts what came over TCP into messages: counted, or a line each, as each of them begins (RFC 6587 §3.4)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._skip = 0  # bytes that are left of a counted message over the limit
        self._skipping = False  # the rest of a line over the limit
        self.cut = 0
        """Messages that were over the limit, and lost what was beyond it."""

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._buffer) + self._skip

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes."""
        buffer = self._buffer + data
        at = 0
        messages: list[bytes] = []
        while at < len(buffer):
            if self._skip:
                step = min(self._skip, len(buffer) - at)
                self._skip -= step
                at += step
                continue
            taken = self._one(buffer, at, messages)
            if taken is None:
                break
            at = taken
        self._buffer = buffer[at:]
        return messages

    def rest(self) -> list[bytes]:
        """What is left when the sender is gone: a last line without an end."""
        left, self._buffer = self._buffer, b""
        if count := _COUNT.match(left):
            left = left[count.end() :]
        return [left] if left.strip(_NOTHING) and not self._skipping else []

    def _one(self, buffer: bytes, at: int, messages: list[bytes]) -> int | None:
        """Take one message from here, and say where it ends; None when it is not whole."""
        if not self._skipping and (count := _COUNT.match(buffer, at)):
            length = int(count[1])
            kept = min(length, self._limit)
            if len(buffer) - count.end() < kept:
                return None
            self._skip = length - kept
            self.cut += self._skip > 0
            message = buffer[count.end() : count.end() + kept]
            if self._skip:
                message = beginning(message, kept)
            if message.strip(_NOTHING):
                messages.append(message)
            return count.end() + kept
        end = buffer.find(b"\n", at)
        if end < 0:
            if len(buffer) - at <= self._limit:
                return None
            if not self._skipping:
                self._long(buffer[at:], messages)
            self._skipping = True
            return len(buffer)
        if self._skipping:
            self._skipping = False
        elif end - at > self._limit:
            self._long(buffer[at:end], messages)
        elif line := buffer[at:end].strip(b"\r\n\0"):
            messages.append(line)
        return end + 1

    def _long(self, line: bytes, messages: list[bytes]) -> None:
        messages.append(beginning(line, self._limit))
        self.cut += 1


def beginning(message: bytes, limit: int) -> bytes:
    """At most so many bytes of it, and no part of a UTF-8 character at the end (RFC 3629 §3)."""
    end = min(limit, len(message))
    start = end
    while start and end - start < _LONGEST and message[start - 1] & 0xC0 == 0x80:
        start -= 1
    if start and message[start - 1] >= 0xC0:  # where a character begins, of 2, 3 or 4 bytes
        first = message[start - 1]
        length = 2 + (first >= 0xE0) + (first >= 0xF0)
        return message[: start - 1] if end - start + 1 < length else message[:end]
    return message[:end]
