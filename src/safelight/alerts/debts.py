"""Events that a match rule could not be asked about: it is asked again until it can be, and nothing is lost meanwhile.

A rule that fails (its question takes too long, or cannot be answered over some event) owes the events since then. It
is tried again after 5 s, and then ever more seldom, up to once a minute, over ever smaller parts. What it owes fires
when it can be judged, however late. Ten minutes at the same place are the end: the rule goes on with what is new, and
how many events it skipped is said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ..errors import QueryError, QueryTooCostly
from ..query.sql import Span
from ..store import Store
from . import evaluate
from .evaluate import ALIVE, Matches, one_pass
from .rule import Rule

PART_MAX: Final = 50_000
"""Events that one try is about."""
AGAIN: Final = timedelta(seconds=5)
SELDOM: Final = timedelta(minutes=1)
GIVEN_UP_AFTER: Final = timedelta(minutes=10)


NOTHING: Final = Matches()


@dataclass(frozen=True, slots=True)
class Debt:
    """What one rule owes: every event after `after_seq`."""

    after_seq: int
    since: datetime
    """When it began: what was on time then is on time when it is judged."""
    stuck_since: datetime
    """When it last got on."""
    again: datetime
    """When it is tried next."""
    size: int = PART_MAX
    """Events to try at once."""


@dataclass(frozen=True, slots=True)
class Paid:
    """One try: what was found, what is still owed, if anything, and what went wrong or was skipped."""

    found: Matches = NOTHING
    debt: Debt | None = None
    error: QueryError | None = None
    skipped: int = 0


def owed(after_seq: int, now: datetime) -> Debt:
    """It begins."""
    return Debt(after_seq, now, now, now + AGAIN)


def pay(store: Store, rule: Rule, debt: Debt, upto: int, now: datetime) -> Paid:
    """Try it again. Raises StoreError or QueryError when it is the store that cannot answer."""
    end = min(upto, debt.after_seq + debt.size)
    span = Span(after_seq=debt.after_seq, upto_seq=end)
    try:
        found = one_pass(store, [rule], span, min(now, debt.since))
    except QueryError as error:
        store.run(ALIVE, span)
        if now - debt.stuck_since >= GIVEN_UP_AFTER:
            return Paid(error=error, skipped=upto - debt.after_seq)
        smaller = (
            max(evaluate.PART_MIN, (end - debt.after_seq) // 2) if isinstance(error, QueryTooCostly) else debt.size
        )
        pause = min(SELDOM, max(AGAIN, now - debt.stuck_since))
        return Paid(debt=replace(debt, size=smaller, again=now + pause), error=error)
    rest = None if end >= upto else replace(debt, after_seq=end, stuck_since=now, again=now)
    return Paid(found, rest)


def kept(debts: Mapping[str, Debt], rules: Collection[str], now: datetime) -> dict[str, Debt]:
    """Those of these rules, tried at once, also if the clock was set back since."""
    return {
        id_: replace(debt, since=min(debt.since, now), stuck_since=min(debt.stuck_since, now), again=now)
        for id_, debt in debts.items()
        if id_ in rules
    }
