"""`run shows no progress for 10m`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ...event import Name
from ...query.run_states import OPEN_WITHIN
from ...query.sql import Sql
from ..condition import Stalled
from ..rule import Rule
from . import Key, Labels, Look, Row, Watch, us
from .columns import Asked, bucket, every, key_of, named, of
from .runs import ENDS, OPEN_MAX, PLACE, place_of

BEGINS: Final = 1
"""Marks of what a row tells of a run: that it began, that it ended, that it is of FILTER."""
OVER: Final = 2
FITS: Final = 4


@dataclass(slots=True)
class _Run:
    at: int
    key: Key
    seq: int
    begun: bool = False
    fits: bool = False


class Stalling(Watch):
    """Follows runs that have begun and not ended, by the time of the last event of each; readings of memory, and that
    somebody called it stuck, are no progress."""

    order = (0, 5)

    def __init__(self, rule: Rule, condition: Stalled) -> None:
        super().__init__(rule)
        self.condition = condition
        self._lasting = us(condition.lasting)
        self._runs: dict[str | None, _Run] = {}
        self._done: dict[str | None, int] = {}
        """Runs that ended, or were told of: nothing more is said of them. When they were last heard of."""

    @property
    def horizon(self) -> timedelta:
        """As long as a run may be open."""
        return OPEN_WITHIN

    def pieces(self, start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime, int]]:
        """Of runs long ago one row each: how they stood."""
        late = end - self.condition.lasting - timedelta(minutes=10)
        if start < late:
            yield start, late, us(OPEN_WITHIN)
        yield max(start, late), end, self.period

    def asked(self, now: datetime, width: int) -> Asked:
        """The last event of each run in each stretch, with marks of all of them; what ends one apart."""
        match, over = of(self.condition.filter, now), named(*ENDS)
        begun = f"{named(Name.RUN_STARTED).text} OR starts_with(event, 'node_')"
        marks = (
            f"bit_or(CASE WHEN {begun} THEN {BEGINS} ELSE 0 END | CASE WHEN {over.text} THEN {OVER} ELSE 0 END"
            f" | CASE WHEN {match.text} THEN {FITS} ELSE 0 END)"
        )
        place = key_of(PLACE)
        key = f"arg_max(concat_ws(chr(31), workflow_id, '', {place.text}), seq)"
        silent = named(Name.RESOURCES_SAMPLED, Name.RUN_STUCK, Name.RUN_QUEUED)
        return Asked(
            every(Sql("workflow_id IS NOT NULL"), Sql(f"event IS NOT NULL AND NOT {silent.text}")),
            bucket(width),
            Sql(key, place.parameters),
            Sql("epoch_us(max(timestamp))"),
            y=Sql(marks, match.parameters),
            z=Sql("max(seq)"),
            grouped=True,
            per="workflow_id",
        )

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Events, then what stands still. What stood still before its next event did so, even if nobody looked then: a
        look after a pause, and one at the past, find what looks at each tick would have."""
        for time, key, last, _, told, seq in rows:
            marks, name = told or 0, key[0]
            known = self._runs.get(name)
            if known is not None and (due := self._due(known)) <= time:
                self._stands(name, due, tick)
            if marks & OVER:
                self._runs.pop(name, None)
                self._done[name] = last
            elif name not in self._done:
                run = self._runs.setdefault(name, _Run(last, key, seq))
                if last >= run.at:
                    run.at, run.key, run.seq = last, key, seq
                run.begun = run.begun or bool(marks & BEGINS)
                run.fits = run.fits or bool(marks & FITS)
        for name in [name for name, run in self._runs.items() if tick - run.at >= self._lasting]:
            self._stands(name, tick, tick)
        self._bound(tick)

    def _due(self, run: _Run) -> int:
        """The first tick at which it has been silent too long."""
        return -(-(run.at + self._lasting) // self.period) * self.period

    def _stands(self, name: str | None, since: int, tick: int) -> None:
        """It was silent too long at the tick `since`; we look at `tick`."""
        run = self._runs.pop(name)
        if run.begun:
            self._done[name] = run.at
        if run.begun and run.fits:
            self.hit(tick, place_of(run.key), run.at, since - 1, run.seq, value=(since - run.at) / 1000)

    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Hits only."""
        return Look()

    def changes(self) -> int | None:
        """When the one that was silent longest is due."""
        at = min((run.at for run in self._runs.values() if run.begun and run.fits), default=None)
        return None if at is None else at + self._lasting

    def _bound(self, tick: int) -> None:
        gone = tick - us(OPEN_WITHIN)
        while self._done and (len(self._done) > OPEN_MAX or next(iter(self._done.values())) < gone):
            del self._done[next(iter(self._done))]
        while len(self._runs) > OPEN_MAX:
            self.crowded = True
            del self._runs[next(iter(self._runs))]
