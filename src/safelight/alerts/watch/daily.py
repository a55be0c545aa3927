"""Conditions that are looked at once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from ...hostzone import HostZone
from ..condition import Daily
from ..database import at
from . import moment


def zone_of(daily: Daily) -> tzinfo:
    """The zone that its time of day is in."""
    return ZoneInfo(daily.zone) if daily.zone else HostZone()


def last_check(daily: Daily, time: int) -> int:
    """The latest check that is not after `time`. In the hour that summer time skips, a check is an hour later by the
    clock; in the one that comes twice, it is made once."""
    now = at(time).astimezone(zone_of(daily))
    check = _check(daily, now)
    return moment(check if moment(check) <= time else _check(daily, now - timedelta(days=1)))


def next_check(daily: Daily, time: int) -> int:
    """The first check after `time`."""
    now = at(time).astimezone(zone_of(daily))
    checks = (moment(_check(daily, now + timedelta(days=days))) for days in (0, 1, 2))
    return next(check for check in checks if check > time)


def _check(daily: Daily, day: datetime) -> datetime:
    local = day.replace(hour=daily.hour, minute=daily.minute, second=0, microsecond=0, fold=0)
    return local.astimezone(UTC)
