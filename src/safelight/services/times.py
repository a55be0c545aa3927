"""Times as logs write them, read into microseconds since 1970 UTC.

Understood: ISO 8601 in any zone (`T` or a space, `.` or `,` before the fraction, `/` between the date's parts), the
same without seconds, a date alone, syslog's `May 13 14:22:31` (RFC 3164, without a year), and numbers since 1970 in
seconds, milliseconds, microseconds or nanoseconds, also as text. Anything else is None, never an exception.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

SECOND: Final = 1_000_000
EARLIEST_S: Final = 1e8
"""1973: a smaller number is an elapsed time or a counter, not a date."""
MILLISECONDS: Final = 1e11
MICROSECONDS: Final = 1e14
NANOSECONDS: Final = 1e17
"""Numbers from which on a time counts these. The unit is told by the size: seconds stay below 1e11 until 5138."""

_ISO: Final = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)(?:[T ]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?\s*(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_SYSLOG: Final = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=64)
def zone_of(name: str | None) -> tzinfo | None:
    """The zone of this IANA name; None, the host's own, for None. Raises ZoneInfoNotFoundError or ValueError."""
    return ZoneInfo(name) if name else None


def instant(value: object, zone: tzinfo | None = None, near: int | None = None) -> int | None:
    """Microseconds since 1970 UTC, or None when `value` is no time.

    `zone` reads what carries none (None: the host's). `near`, microseconds too, gives the year to times without one:
    the one that puts them nearest before it.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_number(float(value)) if isinstance(value, float) or abs(value) < 1e20 else None
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.strip()
    if found := _ISO.fullmatch(text):
        return _from_iso(found, zone)
    if found := _SYSLOG.fullmatch(text):
        return _from_syslog(found, zone, near)
    try:
        return _from_number(float(text)) if text[:1].isdigit() else None
    except ValueError:
        return None


def offset_us(naive_us: int, zone: tzinfo | None) -> int:
    """How far `zone` is ahead of UTC at this wall clock time, both in microseconds. A clock put back is read once."""
    wall = datetime(1970, 1, 1) + timedelta(microseconds=naive_us)  # noqa: DTZ001 - a wall clock is what is asked about
    aware = wall.replace(tzinfo=zone) if zone else wall.astimezone()
    return (aware.utcoffset() or timedelta()) // timedelta(microseconds=1)


def _from_number(number: float) -> int | None:
    if not math.isfinite(number) or number < EARLIEST_S or number >= 1e20:
        return None
    if number < MILLISECONDS:
        return round(number * SECOND)
    if number < MICROSECONDS:
        return round(number * 1_000)
    return round(number) if number < NANOSECONDS else int(number) // 1_000


def _from_iso(found: re.Match[str], zone: tzinfo | None) -> int | None:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        wall = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), tzinfo=UTC)
        ahead = None if offset is None else _ahead_us(offset)
        seconds = min(int(second or 0), 60)  # 60 is a leap second; Python and Arrow have none
        if int(second or 0) > 60:
            return None
        naive = (
            (wall - _EPOCH) // timedelta(microseconds=1) + seconds * SECOND + int((fraction or "0")[:6].ljust(6, "0"))
        )
        return naive - (offset_us(naive, zone) if ahead is None else ahead)
    except (ValueError, OverflowError, OSError):
        return None


def _from_syslog(found: re.Match[str], zone: tzinfo | None, near: int | None) -> int | None:
    month, day, hour, minute, second = found.groups()
    if month not in _MONTHS:
        return None
    now = near if near is not None else (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
    year = (_EPOCH + timedelta(microseconds=now)).year
    for candidate in (year + 1, year, year - 1):
        text = f"{candidate:04d}-{_MONTHS.index(month) + 1:02d}-{int(day):02d} {hour}:{minute}:{second}"
        at = instant(text, zone)
        if at is not None and at <= now + 86_400 * SECOND:  # clocks differ by less than a day
            return at
    return None


def _ahead_us(offset: str) -> int:
    if offset.upper() in {"Z", "UTC"}:
        return 0
    hours, minutes = int(offset[1:3]), int(offset[-2:]) if len(offset) > 3 else 0
    if hours > 23 or minutes > 59:
        raise ValueError
    return (hours * 3600 + minutes * 60) * SECOND * (-1 if offset[0] == "-" else 1)
