"""Times as people write them: ISO dates and times, epoch numbers, `now`, `now-1h`, `now-1d/d`, and durations as `5m`.

Pure: the caller says what time it is. A time without a zone is read in the zone of that `now`, and so are the borders
of days, so a caller who knows the reader's zone passes `datetime.now(zone)`. Everything returned is UTC.

Units are `ms s m h d w`; `1h30m` and `1.5h` are understood. `/d` and the like round down, as in Elasticsearch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ..errors import QueryError

_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_STEP: Final = r"\d+(?:\.\d+)?(?:ms|[smhdw])"
_DURATION: Final = re.compile(rf"(?:{_STEP})+", re.ASCII | re.IGNORECASE)
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])", re.ASCII | re.IGNORECASE)

RELATIVE: Final = rf"now(?:\(\))?(?:\s*[-+]\s*(?:{_STEP})+)*(?:/[smhdwSMHDW])?"
"""`now`, `now()`, `now - 1h`, `now-1d/d`, as a regular expression: the lexer takes it as one word."""
ABSOLUTE: Final = r"\d{4}-\d\d-\d\d[T ]\d\d(?::\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?(?:Z|[-+]\d\d:?\d\d)?"
"""An ISO time of day, with its colons."""

_RELATIVE: Final = re.compile(r"now(?:\(\))?((?:\s*[-+]\s*[\d.a-z]+)*)(?:/([smhdw]))?", re.ASCII | re.IGNORECASE)
_SHIFT: Final = re.compile(rf"([-+])\s*((?:{_STEP})+)", re.ASCII | re.IGNORECASE)
_ABSOLUTE: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?P<zone>Z|[-+]\d\d:?\d\d)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH: Final = re.compile(r"\d{9,19}", re.ASCII)

EARLIEST: Final = datetime(1, 1, 3, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 28, tzinfo=UTC)
"""What a shift is held to: any zone can still express it."""
INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Interval:
    """`start <= t < end`, UTC: the stretch a written time covers, from a whole month down to a microsecond.

    `whole`: it was written as a date, so "after it" means after its end, and "up to it" includes all of it.
    """

    start: datetime
    end: datetime
    whole: bool = False


def duration(text: str) -> timedelta:
    """How long `text` is: `500ms`, `90s`, `5m`, `1h30m`, `1.5d`, `2w`. Raises QueryError for anything else."""
    if not _DURATION.fullmatch(text.strip()):
        raise QueryError("query.duration", query=text, found=text)
    try:
        return sum((float(n) * _UNITS[unit.lower()] for n, unit in _PART.findall(text)), timedelta())
    except OverflowError as error:
        raise QueryError("query.duration", query=text, found=text) from error


def instant(text: str, now: datetime) -> datetime:
    """The moment `text` names, in UTC; of a date its first moment. Raises QueryError."""
    return interval(text, now).start


def interval(text: str, now: datetime) -> Interval:
    """The stretch of time `text` names. Raises QueryError when it names none."""
    text = text.strip()
    try:
        found = _relative(text, now) or _absolute(text, now) or _epoch(text)
    except (ValueError, OverflowError) as error:  # the 30th of February
        raise QueryError("query.time", query=text, found=text) from error
    if found is None:
        raise QueryError("query.time", query=text, found=text)
    return found


def bounds(op: str, text: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """`start <= t < end` for which `t <op> text` holds, None being open; `op` is one of `= > >= < <=`.

    Raises QueryError when `text` is no time.
    """
    found = interval(text, now)
    after = found.end if found.whole else found.start + INSTANT
    return {
        "=": (found.start, found.end),
        ">": (after, None),
        ">=": (found.start, None),
        "<": (None, found.start),
        "<=": (None, after),
    }[op]


def _held(moment: datetime, shift: timedelta) -> datetime:
    """`moment + shift` in UTC, held between EARLIEST and LATEST."""
    moment = moment.astimezone(UTC)
    if shift >= timedelta():
        return LATEST if shift > LATEST - moment else moment + shift
    return EARLIEST if -shift > moment - EARLIEST else moment + shift


def _relative(text: str, now: datetime) -> Interval | None:
    found = _RELATIVE.fullmatch(text)
    if not found:
        return None
    shifts, rounding = found.groups()
    moment, rest = now.astimezone(UTC), shifts
    for sign, length in _SHIFT.findall(shifts):
        step = duration(length)
        moment = _held(moment, -step if sign == "-" else step)
        rest = _SHIFT.sub("", rest, count=1)
    if rest.strip():
        return None
    if not rounding:
        return Interval(moment, moment + INSTANT)
    start = _floor(moment.astimezone(now.tzinfo), rounding.lower())
    return Interval(start.astimezone(UTC), _held(start, _UNITS[rounding.lower()]), whole=True)


def _floor(moment: datetime, unit: str) -> datetime:
    """`moment` rounded down to its unit, in its own zone. Weeks begin on Monday."""
    if unit == "w":
        return _floor(moment, "d") - timedelta(days=moment.weekday())
    moment = moment.replace(microsecond=0)
    if unit in "mhd":
        moment = moment.replace(second=0)
    if unit in "hd":
        moment = moment.replace(minute=0)
    return moment.replace(hour=0) if unit == "d" else moment


def _absolute(text: str, now: datetime) -> Interval | None:
    found = _ABSOLUTE.fullmatch(text)
    if not found:
        return None
    part = found.groupdict()
    zone = now.tzinfo if part["zone"] is None else datetime.strptime(part["zone"].upper(), "%z").tzinfo
    fraction = part["fraction"]
    start = datetime(
        int(part["year"]),
        int(part["month"]),
        int(part["day"] or 1),
        int(part["hour"] or 0),
        int(part["minute"] or 0),
        int(part["second"] or 0),
        int((fraction or "0").ljust(6, "0")[:6]),
        tzinfo=zone,
    )
    if part["day"] is None:
        following = (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    elif part["hour"] is None:
        following = start + timedelta(days=1)
    elif fraction:
        following = start + timedelta(microseconds=10 ** max(6 - len(fraction), 0))
    else:
        following = start + _UNITS["s" if part["second"] else "m" if part["minute"] else "h"]
    return Interval(start.astimezone(UTC), following.astimezone(UTC), whole=part["hour"] is None)


def _epoch(text: str) -> Interval | None:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their size as on arrival."""
    if not _EPOCH.fullmatch(text):
        return None
    digits = len(text)
    per_second = 1 if digits <= 11 else 10**3 if digits <= 14 else 10**6 if digits <= 16 else 10**9
    moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(text) * 10**6 // per_second)
    return Interval(moment, moment + max(timedelta(seconds=1) / per_second, INSTANT))
