"""The match rules of a set, judged by what is new and by what some of them still owe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import QueryError
from ..query.sql import Span
from ..store import Store
from .debts import Debt, kept, owed, pay
from .evaluate import Matches, by_match, matches
from .judged import Cleared, Hit
from .rule import Rule


@dataclass
class Matched:
    """One step. `asked`: the rules that were judged; `skipped`: how many events each of some rules left out."""

    hits: list[Hit] = field(default_factory=list)
    cleared: list[Cleared] = field(default_factory=list)
    late: int = 0
    asked: list[str] = field(default_factory=list)
    failed: dict[str, QueryError] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def add(self, found: Matches) -> None:
        """A part of it."""
        self.hits += found.hits
        self.cleared += found.cleared
        self.late += found.late


class Matching:
    """What a step leaves owing counts from `accept` on: a step that came to nothing is made again."""

    def __init__(self, store: Store, rules: Iterable[Rule], debts: Mapping[str, Debt], now: datetime) -> None:
        self._store = store
        self.rules = by_match(rules)
        self.owing: Mapping[str, Debt] = kept(debts, {rule.id for rule in self.rules}, now)
        """What is owed since the last step that was accepted."""
        self.debts = self.owing
        """What is owed as the last step left it: to be written down with what it found."""

    def step(self, after: int, upto: int, now: datetime) -> Matched:
        """Judge the events after number `after`, and older ones for the rules that owe them and are due.

        Raises StoreError or QueryError when the store itself cannot answer.
        """
        told, debts = Matched(), dict(self.owing)
        sound = [rule for rule in self.rules if rule.id not in debts]
        if sound and upto > after:
            found = matches(self._store, sound, Span(after_seq=after, upto_seq=upto), now)
            told.add(found)
            told.asked += [rule.id for rule in sound]
            for id_, error, judged in found.failed:
                told.failed[id_], debts[id_] = error, owed(judged, now)
        for rule in self.rules:
            if rule.id in self.owing and self.owing[rule.id].again <= now:
                self._pay(rule, upto, now, told, debts)
        self.debts = debts
        return told

    def accept(self) -> None:
        """What the last step said is written down."""
        self.owing = self.debts

    def due(self) -> datetime | None:
        """When the next debt is due."""
        return min((debt.again for debt in self.owing.values()), default=None)

    def _pay(self, rule: Rule, upto: int, now: datetime, told: Matched, debts: dict[str, Debt]) -> None:
        paid = pay(self._store, rule, debts.pop(rule.id), upto, now)
        told.add(paid.found)
        told.asked.append(rule.id)
        if paid.debt:
            debts[rule.id] = paid.debt
        if paid.error:
            told.failed[rule.id] = paid.error
        if paid.skipped:
            told.skipped[rule.id] = paid.skipped
