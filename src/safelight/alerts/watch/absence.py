"""`no events from comfyui for 5m`, `no event:image_processed for 1h`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from ...query.ast import Filter, Match, Or
from ...query.sql import Sql
from ..condition import Absence
from ..judged import Holding
from ..rule import Rule
from . import Labels, Look, Row, Watch, us
from .columns import Asked, bucket, of


class Silence(Watch):
    """Knows the time of the last event only. What nobody watched for long enough cannot be called missing."""

    def __init__(self, rule: Rule, condition: Absence) -> None:
        super().__init__(rule)
        self.condition = condition
        self._lasting = us(condition.lasting)
        self._labels = {} if condition.name is None else {"service": condition.name}
        self._last: int | None = None
        self._watched: int | None = None

    @property
    def horizon(self) -> timedelta:
        """As long as it must be silent."""
        return self.condition.lasting

    def asked(self, now: datetime, width: int) -> Asked:
        """The last one in each stretch."""
        last = Sql("epoch_us(max(timestamp))")
        return Asked(of(self._filter(), now), bucket(width), n=last, z=Sql("max(seq)"), grouped=True)

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """The last of all."""
        for _, _, last, _, _, _ in rows:
            self._last = max(last, self._last or 0)

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Whether it was too long ago."""
        self._watched = watched
        if self._last is not None and tick - self._last < self._lasting:
            return Look(())
        if tick - watched < self._lasting:
            return Look()  # not watched for long enough to say so
        return Look((Holding(self._labels, 0),))

    def changes(self) -> int | None:
        """When it is long enough."""
        times = [time + self._lasting for time in (self._last, self._watched) if time is not None]
        return min((time for time in times if time > self.looked), default=None)

    def _filter(self) -> Filter | None:
        name = self.condition.name
        if name is None:
            return self.condition.filter
        return Or(tuple(Match(field, name) for field in ("service", "instance", "host")))
