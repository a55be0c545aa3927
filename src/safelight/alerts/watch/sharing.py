"""Which part of events: `failure rate > 15% over 15m`."""

from __future__ import annotations

from datetime import datetime

from ...query.sql import Sql
from ..condition import Share, beyond
from . import Key
from .columns import (
    COUNTED,
    COUNTED_RUNS,
    FAILURES,
    NONE,
    Asked,
    bucket,
    every,
    key_of,
    of,
)
from .sliding import Sum
from .window import Window


class Sharing(Window[Share]):
    """Which part, in percent."""

    def asked(self, now: datetime, width: int) -> Asked:
        """All, and the bad ones among them."""
        bad = self._bad(now)
        count = Sql(f"count_if({bad.text})", bad.parameters)
        return Asked(self._all(now), bucket(width), key_of(self.condition.by), COUNTED, y=count, z=NONE, grouped=True)

    def holds(self, key: Key, total: Sum, condition: Share) -> bool:
        """By the share, if there are enough."""
        return total.n >= self.condition.least and beyond(100 * total.y, condition.op, condition.threshold * total.n)

    def value(self, key: Key, total: Sum) -> float | None:
        """In percent."""
        return 100 * total.y / total.n if total.n else None

    def example(self, now: datetime) -> Sql:
        """The bad ones."""
        return every(self._all(now), self._bad(now))

    def _all(self, now: datetime) -> Sql:
        found = of(self.condition.filter, now)
        return found if self.condition.bad is not None else every(COUNTED_RUNS, found)

    def _bad(self, now: datetime) -> Sql:
        return FAILURES if self.condition.bad is None else of(self.condition.bad, now)
