"""The levels that nobody wants to lose by chance, and whether a filter asks for just these."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ..batch import Batch
from ..event import LEVELS
from ..query.ast import And, Compare, Filter, Match, Or, Range, Wildcard
from ..query.condition import condition
from ..query.fields import of_events
from ..query.mask import mask

SEVERE: Final = ("ERROR", "CRITICAL")


def asks_for_severe(where: str) -> bool:
    """Whether `where` names a level that only these have: `level:ERROR`, `level:>=WARNING AND node:K*`."""
    each = Batch.of({"level": level} for level in LEVELS)
    for named in _levels(condition(where)):
        found = dict(zip(LEVELS, mask(named)(each, datetime.now(UTC)).to_pylist(), strict=True))
        if any(found[level] for level in SEVERE) and not found["INFO"]:
            return True
    return False


def _levels(asked: Filter) -> Iterator[Filter]:
    """The conditions on the level that are not below a NOT."""
    match asked:
        case And(items) | Or(items):
            for item in items:
                yield from _levels(item)
        case Match(field, _) | Compare(field, _, _) | Range(field) | Wildcard(str() as field, _):
            if of_events(field).name == "level":
                yield asked
