"""Watches: what each condition but a match remembers, so that judging it costs a look at the new events only.

A watch is a fold. It is fed rows that the store made of new events (`feed`), and looked at at ticks, the whole
multiples of its period since 1970. The same fold is fed what is committed, what the store still knows when a server
starts, and the past when a rule is tried on it: so the three cannot disagree. Times are whole microseconds since
1970, UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, ClassVar, Final, NamedTuple

from ...query.sql import Span, Sql
from ..database import at, micros
from ..judged import Hit, Holding
from ..rule import Rule
from .columns import Asked

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
PERIOD: Final = 5 * SECOND
"""How often most conditions are looked at."""
LABELS_MAX: Final = 1_000
"""Label sets that one rule tells apart. Events of further ones are not looked at, and the rule says so."""
LATE: Final = 10 * MINUTE
"""What is older when it is judged fires nothing by itself."""

Key = tuple[str | None, ...]
Labels = frozenset[tuple[str, str]]
Row = tuple[int, Key, int, float | None, int | None, int]
"""`at, key, n, x, y, z`: what each means is the watch's own affair; `at` is a time."""
Fetched = tuple[Sql, Span]


class Look(NamedTuple):
    """What a look finds. `holding` is None when nothing can be said at this tick."""

    holding: tuple[Holding, ...] | None = None
    hits: tuple[Hit, ...] = ()
    no_data: bool = False
    late: int = 0


class Watch(ABC):
    """One condition of one rule."""

    order: ClassVar[tuple[int, ...]] = (0,)
    """In which order rows are taken: by their time; with 5, those of the same time by `z`."""

    def __init__(self, rule: Rule, period: int = PERIOD) -> None:
        self.rule = rule
        self.period = period
        self.crowded = False
        """More label sets than LABELS_MAX were seen."""
        self.looked = 0
        """The last tick at which it was looked at."""
        self._ahead: list[Row] = []
        self._next = 0
        self._sorted = True
        self._hits: list[Hit] = []
        self._late = 0

    @property
    @abstractmethod
    def horizon(self) -> timedelta:
        """How far back the events lie that the next look may depend on."""

    @abstractmethod
    def asked(self, now: datetime, width: int) -> Asked:
        """What to ask the store about new events. Rows may be joined when they lie in the same `width`."""

    @abstractmethod
    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """Remember rows, in the order of time, all of them before `tick`; then what passes without events."""

    @abstractmethod
    def found(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """How things stand at `tick`, after `fold`. `held` are the label sets that fire, `watched` is since when events
        were watched without a gap."""

    @abstractmethod
    def changes(self) -> int | None:
        """From when on a look may find something else, although nothing new is fed; None for never."""

    def pieces(self, start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime, int]]:
        """In which spans and widths to feed history from before `end`: a coarse width saves rows."""
        yield start, end, self.period

    def examples(self, labels: Mapping[str, str], tick: datetime) -> Fetched | None:
        """Where examples of a holding are found."""
        return None

    def take(self, rows: Iterable[Row]) -> None:
        """Be fed."""
        self._ahead.extend(rows)
        self._sorted = False

    def look(self, tick: int, watched: int, held: Collection[Labels]) -> Look:
        """Take up what lies before `tick`, and say how things stand. The same again until `accept`."""
        self.fold(self._until(tick), tick)
        self.looked = tick
        look = self.found(tick, watched, held)
        return look._replace(hits=tuple(self._hits), late=self._late)

    def accept(self) -> None:
        """What the last look said is written down."""
        self._hits.clear()
        self._late = 0

    def due(self) -> int | None:
        """The first tick at which a look may find something else."""
        self._arrange()
        ahead = self._ahead[self._next][0] + 1 if self._next < len(self._ahead) else None
        times = [time for time in (ahead, self.changes()) if time is not None]
        return -(-min(times) // self.period) * self.period if times else None

    def hit(self, tick: int, labels: Mapping[str, str], first: int, last: int, seq: int, **more: Any) -> None:
        """Something happened; too late to be told when it is long ago."""
        if last < tick - LATE:
            self._late += 1
            return
        counted = {"count": 1, "first_seq": seq, "value": None, **more}
        self._hits.append(Hit(self.rule, labels, first_at=at(first), last_at=at(last), last_seq=seq, **counted))

    def _until(self, tick: int) -> Sequence[Row]:
        self._arrange()
        end = bisect_left(self._ahead, tick, lo=self._next, key=itemgetter(0))
        rows = self._ahead[self._next : end]
        self._next = end
        if 2 * end >= len(self._ahead):
            del self._ahead[:end]
            self._next = 0
        return rows

    def _arrange(self) -> None:
        if not self._sorted:
            del self._ahead[: self._next]
            self._next = 0
            self._ahead.sort(key=itemgetter(*self.order))
            self._sorted = True


def labels_of(names: Sequence[str], key: Key) -> dict[str, str]:
    """The labels behind a key; a field that the events lack is none."""
    return {name: value for name, value in zip(names, key, strict=False) if value is not None}


def us(length: timedelta) -> int:
    """A duration in microseconds."""
    return length // timedelta(microseconds=1)


def moment(time: datetime) -> int:
    """A time in microseconds since 1970."""
    found = micros(time)
    assert found is not None  # noqa: S101 - only None gives None
    return found
