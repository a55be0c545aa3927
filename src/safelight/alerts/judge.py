"""Judging all rules, step by step: matches on every commit, watches at their ticks.

What a watch remembers moves on with every look, but what it found waits until `accept`: a step whose result could not
be written down is made again and finds the same. Whoever sets the clock back makes a new Judge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final, Literal

from ..errors import QueryError
from ..query.sql import Span
from ..store import Store
from .costs import SLOW_MS, Cost, Costs
from .database import at
from .debts import Debt
from .evaluate import ALIVE, SAMPLED_MAX, brief, with_events
from .judged import Hit, Holding, Judged, Standing
from .matching import Matched, Matching
from .rule import Rule
from .watch import LABELS_MAX, Labels, Look, Watch, moment
from .watch.feed import feed, history
from .watch.make import watch_of

IDLE: Final = timedelta(seconds=60)
SLOWED: Final = 10
"""A rule that takes too long is judged so many times less often."""
EXAMPLES: Final = 3
APART_EVERY_S: Final = 300.0
"""When all rules together take too long, which of them it is is measured this often at most."""

Held = Mapping[str, Collection[Labels]]


class Judge:
    """Judges a set of rules. Not for two threads at once."""

    def __init__(
        self,
        store: Store,
        rules: Iterable[Rule],
        *,
        now: datetime,
        upto_seq: int,
        held: Held,
        looked_at: datetime | None = None,
        before: Judge | None = None,
        debts: Mapping[str, Debt] = MappingProxyType({}),
    ) -> None:
        """Make watches that know what they would know had they run all along, up to event `upto_seq`.

        `looked_at`: the time of the last step that was accepted, by whatever process: what came due before it was told
        then, what came due since is told by the next step. `before`: who has judged until now, and must not any more;
        the watches of rules that are the same are taken over, which costs nothing, and their debts. `debts`: what match
        rules owe (see `debts`) when nobody was before. Raises StoreError.
        """
        self._store = store
        self._rules = {rule.id: rule for rule in rules if rule.enabled}
        self._watches = {rule.id: watch for rule in self._rules.values() if (watch := watch_of(rule))}
        self._costs = Costs(self._rules)
        self._problems: dict[str, QueryError] = {}
        self._silent: set[str] = set()
        self._heard: set[str] = set()
        owing = debts if before is None else before.owed_by(self._rules.values())
        self.matching: Matching = Matching(store, self._rules.values(), owing, now)
        self._looks: dict[str, Look] = {}
        self._ticks: dict[str, int] = {}
        self._examples: dict[tuple[str, Labels], Sequence[Mapping[str, Any]]] = {}
        self._committed = upto_seq
        self._apart = False
        self._apart_at = -APART_EVERY_S
        self._begin(min(looked_at or now, now), upto_seq, held, before)

    def _begin(self, looked_at: datetime, upto_seq: int, held: Held, before: Judge | None) -> None:
        self._fed = dict.fromkeys(self._watches, upto_seq)
        self._looked = {id_: self._tick(id_, looked_at) for id_ in self._watches}
        self._said: dict[str, Look] = {}
        self._unbuilt: set[str] = set()
        known = self._inherit(before) if before else set()
        for id_, watch in self._watches.items():
            if id_ in known:
                continue
            try:
                self._remember(id_, watch, looked_at, held)
            except QueryError as error:
                self._unbuilt.add(id_)
                self._problems[id_] = error

    def _inherit(self, before: Judge) -> set[str]:
        same = {id_ for id_, rule in self._rules.items() if before.has(rule)}
        self._costs.inherit(before._costs, same)
        self._examples = {key: events for key, events in before._examples.items() if key[0] in same}
        known = {id_ for id_ in same if id_ in before._watches and id_ not in before._unbuilt}
        for id_ in known:
            self._watches[id_] = before._watches[id_]
            self._fed[id_], self._looked[id_] = before._fed[id_], before._looked[id_]
            if id_ in before._said:
                self._said[id_] = before._said[id_]
        self._silent, self._heard = before._silent & known, before._heard & known
        self._committed = max(self._committed, before._committed)
        return known

    def _remember(self, id_: str, watch: Watch, looked_at: datetime, held: Held) -> None:
        with self._costs.of(id_):
            history(self._store, watch, looked_at, self._fed[id_])
            look = watch.look(self._looked[id_], self._looked[id_], held.get(id_, ()))
            watch.accept()
            if look.holding is not None and not look.no_data:
                self._heard.add(id_)

    @property
    def problems(self) -> Mapping[str, QueryError]:
        """Rules that could not be judged the last time, or only in part, and why."""
        crowded = {
            id_: QueryError("alerts.crowded", limit=LABELS_MAX) for id_, one in self._watches.items() if one.crowded
        }
        return {**crowded, **self._problems}

    def states(self) -> dict[str, Literal["ok", "no_data", "error"]]:
        """How each rule stands."""
        problems = self.problems
        return {id_: "error" if id_ in problems else "no_data" if id_ in self._silent else "ok" for id_ in self._rules}

    @property
    def fallen_silent(self) -> set[str]:
        """Rules that had something to judge by, since anybody looks, and have nothing now."""
        return self._silent & self._heard

    @property
    def debts(self) -> Mapping[str, Debt]:
        """What match rules owe, as the last step left it: to be written down with it."""
        return self.matching.debts

    def has(self, rule: Rule) -> bool:
        """Whether it judges this very rule."""
        return self._rules.get(rule.id) == rule

    def owed_by(self, rules: Iterable[Rule]) -> dict[str, Debt]:
        """What those of them owe that it judges, since the last step that was accepted."""
        return {
            rule.id: self.matching.owing[rule.id] for rule in rules if self.has(rule) and rule.id in self.matching.owing
        }

    def costs(self) -> dict[str, Cost]:
        """What judging each rule costs."""
        return self._costs.all()

    def step(
        self,
        after_seq: int,
        upto_seq: int,
        now: datetime,
        watched_since: datetime,
        held: Held,
        committed_seq: int | None = None,
    ) -> Judged:
        """Judge the events after `after_seq`, up to `upto_seq`, and all watches whose tick has come.

        `held`: the label sets for which each standing rule fires. `committed_seq`: how far watches may look when new
        events are judged in parts. Raises StoreError or QueryError when the store itself cannot answer.
        """
        self._committed = max(upto_seq, committed_seq or 0)
        problems: dict[str, QueryError] = {}
        found = self._match(after_seq, upto_seq, now)
        problems.update(found.failed)
        due = [id_ for id_ in self._watches if self._tick(id_, now) > self._looked[id_]]
        self._feed(due, now, held, problems)
        self._looks, self._ticks = {}, {id_: self._tick(id_, now) for id_ in due}
        watched = moment(watched_since)
        for id_, tick in self._ticks.items():
            if id_ not in problems:
                with self._costs.of(id_):
                    self._looks[id_] = self._watches[id_].look(tick, watched, held.get(id_, ()))
        judged_now = {*due, *(rule.id for rule in self.matching.rules if rule.id not in self.debts)}
        self._problems = {id_: error for id_, error in self._problems.items() if id_ not in judged_now} | problems
        hits = [hit for look in self._looks.values() for hit in look.hits]
        late = found.late + sum(look.late for look in self._looks.values())
        standing = tuple(self._standing(id_, look, now) for id_, look in self._looks.items() if self._says(id_, held))
        failed = tuple(problems.items())
        return Judged(
            (*found.hits, *self._shown(hits)),
            standing,
            late,
            failed,
            tuple(found.cleared),
            tuple(found.skipped.items()),
        )

    def accept(self) -> None:
        """What the last step said is written down."""
        self._looked |= self._ticks
        self.matching.accept()
        for id_, look in self._looks.items():
            self._watches[id_].accept()
            self._said[id_] = look
            (self._silent.add if look.no_data else self._silent.discard)(id_)
            if look.holding is not None and not look.no_data:
                self._heard.add(id_)
        self._looks, self._ticks = {}, {}

    def next_due(self, now: datetime) -> datetime:
        """When the next step is due even if nothing is committed."""
        owed = self.matching.due()
        times = [now + IDLE, *([owed] if owed else [])]
        for id_, watch in self._watches.items():
            period = self._period(id_)
            first = self._looked[id_] // period * period + period
            if self._fed[id_] < self._committed or id_ in self._unbuilt or id_ not in self._said:
                times.append(at(first))
            elif (due := watch.due()) is not None:
                times.append(at(max(first, -(-due // period) * period)))
        return min(times)

    def _match(self, after: int, upto: int, now: datetime) -> Matched:
        began = perf_counter()
        found = self.matching.step(after, upto, now)
        if found.asked:
            self._costs.share(found.asked, (perf_counter() - began) * 1000)
        return found

    def _feed(self, due: Sequence[str], now: datetime, held: Held, problems: dict[str, QueryError]) -> None:
        """New events for the watches that are due, those that stand at the same number together."""
        for id_ in [id_ for id_ in due if id_ in self._unbuilt]:
            try:
                self._remember(id_, self._watches[id_], at(self._looked[id_]), held)
                self._unbuilt.discard(id_)
            except QueryError as error:
                self._alive()
                problems[id_] = error
        together: dict[int, list[str]] = {}
        for id_ in due:
            if id_ not in problems and self._fed[id_] < self._committed:
                together.setdefault(self._fed[id_], []).append(id_)
        began = perf_counter()
        for fed, ids in together.items():
            span = Span(after_seq=fed, upto_seq=self._committed)
            alone = [id_ for id_ in ids if self._apart or self._costs.slowed(id_)]
            try:
                self._feed_all([id_ for id_ in ids if id_ not in alone], span, now)
            except QueryError:
                self._alive()
                alone = ids
            for id_ in alone:
                try:
                    self._feed_all([id_], span, now)
                except QueryError as error:
                    self._alive()
                    problems[id_] = error
        ended = perf_counter()
        if self._apart:
            self._apart, self._apart_at = False, ended
        else:
            # Shared evenly, one slow rule among many would not be noticed: the next time each is asked by itself.
            self._apart = (ended - began) * 1000 > SLOW_MS and ended - self._apart_at > APART_EVERY_S

    def _feed_all(self, ids: Sequence[str], span: Span, now: datetime) -> None:
        began = perf_counter()
        try:
            if ids:
                feed(self._store, [self._watches[id_] for id_ in ids], span, now)
                for id_ in ids:
                    self._fed[id_] = self._committed
        finally:
            self._costs.share(ids, (perf_counter() - began) * 1000)

    def _alive(self) -> None:
        """Raises when it is the store that is in trouble, and not a rule."""
        self._store.run(ALIVE, Span(after_seq=self._committed))

    def _says(self, id_: str, held: Held) -> bool:
        """Whether the look changes anything, or may: what holds, held or was never looked at."""
        look = self._looks[id_]
        if look.holding is None:
            return False
        before = self._said.get(id_)
        if before is None or look.holding or look.no_data or held.get(id_):
            return True
        return bool(before.holding or before.no_data)  # what is pending is not among the held

    def _standing(self, id_: str, look: Look, now: datetime) -> Standing:
        """With examples of what has just begun to hold."""
        known = {frozenset(one.labels.items()) for one in look.holding or ()}
        for key in [key for key in self._examples if key[0] == id_ and key[1] not in known]:
            del self._examples[key]
        shown = tuple(self._with_examples(id_, one, now) for one in look.holding or ())
        return Standing(self._rules[id_], shown, look.no_data)

    def _with_examples(self, id_: str, holding: Holding, now: datetime) -> Holding:
        key = id_, frozenset(holding.labels.items())
        if key not in self._examples and sum(one == id_ for one, _ in self._examples) < SAMPLED_MAX:
            with self._costs.of(id_):
                self._examples[key] = examples(self._store, self._watches[id_], holding.labels, now, self._committed)
        return replace(holding, events=self._examples.get(key, ()))

    def _shown(self, hits: Sequence[Hit]) -> Iterable[Hit]:
        return with_events(self._store, hits, Span(upto_seq=self._committed)) if hits else ()

    def _period(self, id_: str) -> int:
        return self._watches[id_].period * (SLOWED if self._costs.slowed(id_) else 1)

    def _tick(self, id_: str, now: datetime) -> int:
        period = self._period(id_)
        return moment(now.astimezone(UTC)) // period * period


def examples(
    store: Store, watch: Watch, labels: Mapping[str, str], tick: datetime, upto: int | None = None
) -> list[Mapping[str, Any]]:
    """The newest events that a holding is about, in their order."""
    fetched = watch.examples(labels, tick)
    if fetched is None:
        return []
    wanted, span = fetched
    try:
        events = store.newest(wanted, replace(span, upto_seq=upto), limit=EXAMPLES).to_pylist()
    except QueryError:  # too many events to look for examples in: the alert stands without them
        return []
    return [brief(event) for event in reversed(events)]
