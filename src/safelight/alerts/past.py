"""A rule tried on the past: what it would have said, at the ticks at which it would have said it.

The watch is the one that judges what comes, fed from the store in the order of time. As long as `for` asks, what holds
is pending, and `clear` decides only about what fires. What came late when it happened is on time here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from ..query.compile import where
from ..query.sql import Span, Sql
from ..store import Store
from .condition import Match
from .database import at
from .evaluate import JUDGED, LABELS, both
from .judge import examples as found_examples
from .judged import Cleared, Hit, Judged, Standing
from .rule import Rule
from .watch import DAY, PERIOD, Labels, Look, Watch, moment, us
from .watch.columns import key_of, parts_of
from .watch.feed import HISTORY_TIMEOUT_S, history, stretch
from .watch.make import watch_of

HITS_MAX: Final = 1_000_000
"""Ticks and label sets with matches in one answer."""


def replay(store: Store, rule: Rule, start: datetime, end: datetime) -> Iterator[tuple[datetime, Judged]]:
    """What `rule` would have said from `start` until `end`, by the time of the events: only ticks at which something
    happens, or what holds changes. Without examples: `examples` finds those of a firing that is shown.

    Raises QueryError when the store takes too long over a day of it, StoreError.
    """
    watch = watch_of(rule)
    if watch is None:
        yield from _matches(store, rule, start, end)
    else:
        yield from _looks(store, rule, watch, start, end)


def examples(store: Store, rule: Rule, labels: Mapping[str, str], tick: datetime) -> list[Mapping[str, Any]]:
    """The newest events behind what held with these labels at `tick`."""
    watch = watch_of(rule)
    return [] if watch is None else found_examples(store, watch, labels, tick)


def _looks(store: Store, rule: Rule, watch: Watch, start: datetime, end: datetime) -> Iterator[tuple[datetime, Judged]]:
    oldest = store.figures().oldest
    watched = moment(min(start, oldest) if oldest else start)
    held = _Held(us(rule.lasting) if rule.lasting else 0)
    tick = moment(start) // watch.period * watch.period
    history(store, watch, at(tick))
    first = watch.look(tick, watched, ())
    watch.accept()
    first = first._replace(hits=(), late=0)
    if held.differs(first, tick):
        yield at(tick), _judged(rule, first)
    until, last = tick, moment(end)
    while until < last:
        begin, until = until, min(until // DAY * DAY + DAY, last)
        span = Span(start=at(begin), end=at(until))
        stretch(store, watch, span, at(until), watch.period)
        whole = until // watch.period * watch.period
        while (due := held.due(watch)) is not None and (following := max(due, tick + watch.period)) <= whole:
            tick = following
            look = watch.look(tick, watched, held.firing(tick))
            watch.accept()
            if held.differs(look, tick) or look.hits:
                yield at(tick), _judged(rule, look)


class _Held:
    """Which label sets hold, and since when."""

    def __init__(self, lasting: int) -> None:
        self._lasting = lasting
        self._since: dict[Labels, int] = {}

    def differs(self, look: Look, tick: int) -> bool:
        """Whether others hold than before."""
        if look.holding is None:
            return False
        now = {frozenset(holding.labels.items()) for holding in look.holding}
        differs = now != self._since.keys()
        self._since = {labels: self._since.get(labels, tick) for labels in now}
        return differs

    def firing(self, tick: int) -> set[Labels]:
        """Those that have held for long enough before this tick."""
        return {labels for labels, since in self._since.items() if since < tick and tick - since >= self._lasting}

    def due(self, watch: Watch) -> int | None:
        """When the watch is to be looked at next: also when a pending one begins to fire and `clear` decides of it."""
        times = [since + self._lasting for since in self._since.values()] if watch.rule.clear else []
        times = [-(-time // watch.period) * watch.period for time in times if time > watch.looked]
        due = watch.due()
        return min([*times, *([] if due is None else [due])], default=None)


def _judged(rule: Rule, look: Look) -> Judged:
    standing = () if look.holding is None else (Standing(rule, look.holding, look.no_data),)
    return Judged(look.hits, standing, look.late)


def _matches(store: Store, rule: Rule, start: datetime, end: datetime) -> Iterator[tuple[datetime, Judged]]:
    """Matches are said at once; here, at the end of their 5 s, all of the same labels together."""
    assert isinstance(rule.when, Match)  # noqa: S101 - the caller looks
    happens = where(rule.when.filter, end)
    ends = where(rule.clear.filter, end) if isinstance(rule.clear, Match) else Sql("FALSE")
    either = Sql(f"({happens.text}) OR ({ends.text})", happens.parameters + ends.parameters)
    wanted = both(JUDGED, either)
    key = key_of(LABELS)
    text = (
        f"SELECT epoch_us(timestamp) // {PERIOD} AS tick, {key.text} AS key,"  # noqa: S608
        f" coalesce(({happens.text}), false) AS happens, coalesce(({ends.text}), false) AS ends, count(*) AS count,"
        " min(timestamp) AS first_at, max(timestamp) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq"
        f" FROM events WHERE {wanted.text} GROUP BY 1, 2, 3, 4 ORDER BY 1, first_seq LIMIT {HITS_MAX}"
    )
    sql = Sql(text, (*key.parameters, *either.parameters, *wanted.parameters))
    day = timedelta(days=1)
    begin = start
    while begin < end:
        until = min(begin + day, end)
        answer = store.run(sql, Span(start=begin, end=until), timeout_s=HISTORY_TIMEOUT_S)
        yield from _by_tick(rule, answer)
        begin = until


def _by_tick(rule: Rule, answer: Any) -> Iterator[tuple[datetime, Judged]]:
    for tick, rows in groupby(answer.to_pylist(), itemgetter("tick")):
        hits, cleared = [], []
        for row in rows:
            parts = zip(LABELS, parts_of(row["key"]), strict=True)
            labels = {name: value for name, value in parts if value is not None}
            if row["happens"]:
                times = row["first_at"], row["last_at"], row["first_seq"], row["last_seq"]
                hits.append(Hit(rule, labels, row["count"], *times))
            if row["ends"]:
                cleared.append(Cleared(rule, labels, row["last_at"], row["last_seq"]))
        yield at((tick + 1) * PERIOD), Judged(tuple(hits), cleared=tuple(cleared))
