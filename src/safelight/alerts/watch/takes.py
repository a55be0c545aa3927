"""`run takes > 30s`, `node takes > 30s`: once of each, when it has taken that long or ended after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...event import RUN_ENDED_ANYHOW, Name
from ...query.run_states import OPEN_WITHIN
from ...query.sql import Sql
from ..condition import Takes, beyond
from ..rule import Rule
from . import Key, Labels, Look, Row, Watch, us
from .columns import Asked, every, named, of
from .runs import ENDS, OPEN_MAX, PROCESSED, place_of, run_key
from .slower import OF_OTHERS


@dataclass(slots=True)
class _Open:
    at: int
    key: Key
    seq: int
    wanted: bool


class Taking(Watch):
    """Follows what has begun and not ended. A run is one of FILTER when the event that began or ended it matches."""

    order = (0, 5)

    def __init__(self, rule: Rule, condition: Takes) -> None:
        super().__init__(rule)
        self.condition = condition
        self._longest = us(condition.longest)
        self._nodes = condition.what == "node"
        self._open: dict[Key, _Open] = {}
        self._told: dict[Key, int] = {}
        """What goes on and was told of, or is not of FILTER: nothing more is said of it. When it began."""

    @property
    def horizon(self) -> timedelta:
        """As long as something may take: a run a week, a node a day."""
        return max(timedelta(days=1), 2 * self.condition.longest) if self._nodes else OPEN_WITHIN

    def asked(self, now: datetime, width: int) -> Asked:
        """Beginnings and ends; `x` is how long it took, `y` whether it is of FILTER."""
        if self._nodes:
            took = f"node IS NOT NULL AND duration_ms IS NOT NULL AND (event IS NULL OR NOT {OF_OTHERS.text})"
            over = named(Name.NODE_FAILED, Name.NODE_BLOCKED, Name.NODE_FINISHED, Name.NODE_CACHED)
            begun = named(Name.NODE_STARTED, *RUN_ENDED_ANYHOW)
            wanted = Sql(f"{begun.text} OR {over.text} OR ({took})")
        else:
            wanted = named(Name.RUN_STARTED, *ENDS)
        match = of(self.condition.filter, now)
        fits = Sql(f"CASE WHEN {match.text} THEN 1 ELSE 0 END", match.parameters)
        return Asked(every(wanted), key=run_key("node_id"), x=Sql("duration_ms"), y=fits)

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Events, then what goes on."""
        for time, key, _, took, fits, seq in rows:
            run, event = key[0], key[1]
            name: Key = (run, key[5] or key[4]) if self._nodes else (run,)
            if self._nodes and event in RUN_ENDED_ANYHOW:
                self._end_all(run)
            elif event in (Name.RUN_STARTED, Name.NODE_STARTED):
                if name not in self._told:
                    self._open.setdefault(name, _Open(time, key, seq, bool(fits)))
            elif self._told.pop(name, None) is None:
                begun = None if event in PROCESSED else self._open.pop(name, None)
                length = time - begun.at if took is None and begun else int((took or 0) * 1000)
                if (fits or (begun and begun.wanted)) and beyond(length, self.condition.op, self._longest):
                    first = begun.at if begun else time
                    self.hit(tick, place_of(key), first, time, seq, value=length / 1000)
        for name in [name for name, one in self._open.items() if self._too_long(one, tick)]:
            begun = self._open.pop(name)
            self._told[name] = begun.at
            if begun.wanted:
                value = (tick - begun.at) / 1000
                self.hit(tick, place_of(begun.key), begun.at, tick - 1, begun.seq, value=value)
        self._bound(tick)

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Hits only."""
        return Look()

    def changes(self) -> int | None:
        """When the oldest is due."""
        begun = min((one.at for one in self._open.values() if one.wanted), default=None)
        return None if begun is None else begun + self._longest + (self.condition.op == ">")

    def _too_long(self, one: _Open, tick: int) -> bool:
        return beyond(tick - one.at, self.condition.op, self._longest)

    def _end_all(self, run: str | None) -> None:
        for known in (self._open, self._told):
            for name in [name for name in known if name[0] == run]:
                del known[name]

    def _bound(self, tick: int) -> None:
        gone = tick - us(OPEN_WITHIN)
        while self._told and (len(self._told) > OPEN_MAX or next(iter(self._told.values())) < gone):
            del self._told[next(iter(self._told))]
        while len(self._open) > OPEN_MAX:
            self.crowded = True
            del self._open[next(iter(self._open))]
