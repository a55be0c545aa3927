"""`queue empties after 30m`: the end of a long stretch of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ...event import RUN_ENDED_ANYHOW, Name
from ...query.sql import Sql
from ..condition import Emptied
from ..rule import Rule
from . import LABELS_MAX, MINUTE, Key, Labels, Look, Row, Watch, us
from .columns import Asked, every, named
from .runs import OPEN_MAX, WRONG, place_of, run_key

PAUSE: Final = MINUTE
"""So long without a run ends a stretch of work."""
_OPENS: Final = (Name.RUN_QUEUED, Name.RUN_STARTED)


@dataclass(slots=True)
class _Work:
    begun: int
    key: Key
    open: set[str | None] = field(default_factory=set)
    last: int | None = None
    """When the last run ended."""
    seq: int = 0
    first_seq: int = 0
    done: int = 0
    failed: int = 0


class Emptying(Watch):
    """Follows each instance. `count` of its hit is how many runs ended, `value` how many of them failed."""

    order = (0, 5)

    def __init__(self, rule: Rule, condition: Emptied) -> None:
        super().__init__(rule)
        self.condition = condition
        self._after = us(condition.after)
        self._work: dict[Key, _Work] = {}

    @property
    def horizon(self) -> timedelta:
        """Long enough to know that it was long, and a day to count what was done."""
        return self.condition.after + timedelta(days=1)

    def asked(self, now: datetime, width: int) -> Asked:
        """Runs queued, begun and ended."""
        return Asked(every(named(*_OPENS, *RUN_ENDED_ANYHOW), Sql("workflow_id IS NOT NULL")), key=run_key())

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Events, and the pauses between them."""
        for time, key, _, _, _, seq in rows:
            run, event, place = key[0], key[1], key[2:4]
            work = self._settled(place, time, tick)
            if event in _OPENS:
                if work is None:
                    if len(self._work) >= LABELS_MAX:
                        self.crowded = True
                        continue
                    work = self._work[place] = _Work(time, key, first_seq=seq)
                if len(work.open) < OPEN_MAX:
                    work.open.add(run)
            elif work is not None and run in work.open:
                work.open.discard(run)
                work.last, work.seq, work.key = time, seq, key
                work.done, work.failed = work.done + (event not in WRONG), work.failed + (event in WRONG)
        for place in list(self._work):
            self._settled(place, tick, tick)

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Hits only."""
        return Look()

    def changes(self) -> int | None:
        """When a pause is long enough."""
        lasts = (work.last for work in self._work.values() if not work.open and work.last is not None)
        last = min(lasts, default=None)
        return None if last is None else last + PAUSE

    def _settled(self, place: Key, time: int, tick: int) -> _Work | None:
        work = self._work.get(place)
        if work is None or work.open or work.last is None or time - work.last < PAUSE:
            return work
        del self._work[place]
        if work.last - work.begun >= self._after:
            labels = {name: value for name, value in place_of(work.key).items() if name != "node"}
            counted = {"count": work.done + work.failed, "value": float(work.failed), "first_seq": work.first_seq}
            self.hit(tick, labels, work.begun, work.last, work.seq, **counted)
        return None
