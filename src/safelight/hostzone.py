"""The zone of this machine as a zone, not as today's offset: summer time was another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class HostZone(tzinfo):
    """What the C library makes of a local time (`TZ`, `/etc/localtime`)."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        """At that local time."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:
        """Not told apart from the offset."""
        return None if dt is None else timedelta()

    def tzname(self, dt: datetime | None) -> str | None:
        """`CST`, `CEST` and the like."""
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        """The local time at a moment."""
        local = dt.replace(tzinfo=UTC).astimezone()
        return local.replace(tzinfo=self)
