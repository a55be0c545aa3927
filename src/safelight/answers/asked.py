"""A question as it came: text, and the span of time as people write it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime

from ..hostzone import HostZone
from ..query.ast import Query
from ..query.compile import intersection, phrases, span, where
from ..query.parse import parse
from ..query.sql import Span, Sql
from ..query.times import instant


@dataclass(frozen=True, slots=True)
class Asked:
    """Understood: the query, when it was asked, and which events it can be about."""

    query: Query
    now: datetime
    span: Span
    where: Sql
    containing: tuple[str, ...]
    _began: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, text: str, start: str | None, end: str | None) -> Asked:
        """Understand. `start` and `end` are ISO times or `now-1h`; times without a zone are the host's."""
        now = datetime.now(HostZone())
        query = parse(text)
        asked_for = Span(instant(start, now) if start else None, instant(end, now) if end else None)
        implied = span(query.filter, now)
        return cls(query, now, intersection(implied, asked_for), where(query.filter, now), phrases(query.filter))

    def took_ms(self) -> float:
        """Since it was asked."""
        return round((time.perf_counter() - self._began) * 1000, 1)
