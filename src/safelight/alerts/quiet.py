"""Quiet hours: from when until when, by which clock, and what may still ring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Quiet:
    """Every day from `start` until `end` by the clocks of `zone`; past midnight where `end` is earlier.

    Alerts of a severity below `below` are held, and told in one message at the end.
    """

    start: time
    end: time
    zone: tzinfo
    below: int = 3

    def until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that `now` lies in; None outside them."""
        if self.start == self.end:
            return None
        local = now.astimezone(self.zone)
        inside = (
            self.start <= local.time() < self.end
            if self.start < self.end
            else local.time() >= self.start or local.time() < self.end
        )
        return self._next(local, self.end) if inside else None

    def _next(self, local: datetime, at: time) -> datetime:
        """The next time that the clocks show `at`; where they skip it, as soon as they are past it."""
        for days in range(3):
            found = datetime.combine(local.date() + timedelta(days=days), at, tzinfo=self.zone).astimezone(UTC)
            if found > local.astimezone(UTC):
                return found
        raise AssertionError(at)
