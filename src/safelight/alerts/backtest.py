"""A rule on what was stored: when it would have fired, and which messages that would have been.

The conditions are judged as they would have been then (`past.replay`; matches at the end of every 5 s), and the alerts
live the same `Life` as those of the running server: pending, collecting, repeats, quiet hours, flapping. Nothing is
kept and nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

from ..errors import InputError, QueryTooCostly
from ..query.sql import Span, Sql
from ..store import Store
from .alert import Alert
from .condition import Emptied, Match, NewError, Stalled, Takes
from .database import Database, at
from .evaluate import brief
from .judged import Hit, Judged
from .life import Life
from .notification import FIRING
from .past import examples, replay
from .quiet import Quiet
from .rule import Rule
from .state import alert_of

SPAN_MAX: Final = timedelta(days=90)
"""A longer stretch of time is refused."""
TIMEOUT_S: Final = 30.0
"""A rule that is not tried by then is given up."""
FIRINGS_MAX: Final = 200
"""Alerts that are told one by one, the newest; the others are counted."""
EXAMPLES_MAX: Final = 20
"""Of a condition that holds, so many of the newest alerts have examples: each costs a question."""
HAPPENS: Final = (Match, NewError, Takes, Stalled, Emptied)
"""Conditions that tell of what happened; the others hold for a while."""
_SOON: Final = timedelta(milliseconds=1)


@dataclass
class Tried:
    """What would have happened."""

    firings: list[Alert] = field(default_factory=list)
    """The newest, newest first, with their examples."""
    fired_at: list[datetime] = field(default_factory=list)
    """When each of them began to fire, oldest first."""
    told_at: list[datetime] = field(default_factory=list)
    """When each message would have been sent, oldest first."""
    matched: int | None = None
    """How often what it waits for happened; None for a condition that holds or does not."""


def backtest(
    store: Store,
    rule: Rule,
    start: datetime,
    end: datetime,
    *,
    quiet: Quiet | None = None,
    timeout_s: float = TIMEOUT_S,
    unwanted: Callable[[], bool] = lambda: False,
) -> Tried:
    """Try the rule over `start <= timestamp < end`, alone: nothing inhibits or silences it.

    Raises InputError for a span that is too long or none, QueryTooCostly over `timeout_s` or once it is `unwanted`,
    QueryError or StoreError when the store cannot answer.
    """
    if not timedelta() < end - start <= SPAN_MAX:
        raise InputError("alerts.backtest_span", days=SPAN_MAX.days)
    deadline = monotonic() + timeout_s
    database = Database(None)
    try:
        rule = rule.model_copy(update={"enabled": True, "shadow": False})
        life = Life(database, [rule], quiet=quiet)
        tried = Tried(matched=0 if isinstance(rule.when, HAPPENS) else None)
        now = start
        for moment, judged in _moments(store, rule, life, start, end):
            if monotonic() > deadline:
                share = (moment - start) / (end - start)
                raise QueryTooCostly("alerts.backtest_slow", seconds=f"{timeout_s:g}", percent=f"{share:.0%}")
            if unwanted():
                raise QueryTooCostly("alerts.backtest_unwanted")
            now = max(moment, now)
            if tried.matched is not None:
                tried.matched += sum(hit.count for hit in judged.hits)
            with life.transaction():
                step = life.advance(judged, now)
            tried.told_at += [now] * len(step.messages)
        newest = [alert_of(row) for row in database.rows("fired_newest", limit=FIRINGS_MAX)]
        tried.firings = _with_examples(store, rule, newest)
        tried.fired_at = [at(row["fired_at"]) for row in database.rows("fired_times")]
        return tried
    finally:
        database.close()


def _moments(store: Store, rule: Rule, life: Life, start: datetime, end: datetime) -> Iterator[tuple[datetime, Judged]]:
    """Whenever something happens, in order of time: what was judged then, if anything.

    What only adds to alerts that are due already is put together: a rule that matches every 5 s all week long would
    otherwise take 120,000 steps of 0.5 ms.
    """
    before, change = start, life.next_change()
    more: dict[frozenset[tuple[str, str]], Hit] = {}
    for tick, judged in replay(store, rule, start, end):
        for failed, error in judged.failed:
            if failed == rule.id:
                raise error
        if (change is None or tick < change) and _only_adds(life, judged):
            for hit in map(_named, judged.hits):
                key = frozenset(hit.labels.items())
                more[key] = _together(more[key], hit) if key in more else hit
            before = tick
            continue
        if more:
            yield before, Judged(tuple(more.values()))
            more = {}
        yield from _changes(life, before, tick)
        if life.stirs(judged, tick):
            yield tick, replace(judged, hits=tuple(map(_named, judged.hits)))
        before, change = tick, life.next_change()
    if more:
        yield before, Judged(tuple(more.values()))
    yield from _changes(life, before, end)


def _only_adds(life: Life, judged: Judged) -> bool:
    """Whether it is more of alerts that fire, of which it is decided already when they are told again."""
    if judged.standing or judged.cleared or not judged.hits:
        return False
    alerts = (life.state.live(hit.rule.id, hit.labels) for hit in judged.hits)
    return all(alert is not None and alert.status == FIRING and alert.due_at is not None for alert in alerts)


def _together(one: Hit, other: Hit) -> Hit:
    """The same alert seen twice."""
    return replace(
        one,
        count=one.count + other.count,
        last_at=max(one.last_at, other.last_at),
        last_seq=other.last_seq,
        events=[*one.events[:2], other.events[-1]],
        value=one.value if other.value is None else other.value,
    )


def _named(hit: Hit) -> Hit:
    """Its events by their numbers: they are read once it is known which alerts are shown."""
    seqs = sorted({hit.first_seq, hit.last_seq})
    return replace(hit, events=[{"id": str(seq), "seq": seq} for seq in seqs])


def _with_examples(store: Store, rule: Rule, alerts: Sequence[Alert]) -> list[Alert]:
    seqs = sorted({event["seq"] for alert in alerts for event in alert.events})
    known = {}
    if seqs:
        among = Sql(f"seq IN ({', '.join('?' * len(seqs))})", tuple(seqs))
        within = Span(after_seq=seqs[0] - 1, upto_seq=seqs[-1])
        known = {event["seq"]: brief(event) for event in store.oldest(among, within, limit=len(seqs)).to_pylist()}
    found = []
    for number, alert in enumerate(alerts):
        events: Sequence[Mapping[str, Any]] = [known[one["seq"]] for one in alert.events if one["seq"] in known]
        if alert.standing and alert.fired_at and number < EXAMPLES_MAX:
            events = examples(store, rule, alert.labels, alert.fired_at)
        found.append(replace(alert, events=events))
    return found


def _changes(life: Life, before: datetime, until: datetime) -> Iterator[tuple[datetime, Judged]]:
    """What happens by itself before `until`; never the same moment for ever."""
    now = before
    while (change := life.next_change()) is not None and max(change, now) < until:
        now = max(change, now)
        yield now, Judged()
        now += _SOON
