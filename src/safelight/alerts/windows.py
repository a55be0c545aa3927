"""Which windows are due, and what is remembered of each between two looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ..errors import QueryError
from ..store import Store
from .condition import Count
from .evaluate import Measured, measure
from .rule import Rule

WINDOW_EVERY: Final = timedelta(seconds=5)
WINDOW_EVERY_MAX: Final = timedelta(seconds=60)
"""A window is counted every 5 s; a long one every 1/720 of its length (an hour: 5 s), at least once a minute."""


@dataclass
class Windows:
    """Works on a copy of itself when what it finds may yet come to nothing: see `copy`."""

    due: dict[str, datetime]
    """When each is to be counted."""
    held: set[str]
    """Those whose condition holds."""
    counted: dict[str, int] = field(default_factory=dict)
    """Up to which event each was counted."""

    def copy(self) -> Windows:
        """For a step to change, and to be forgotten with the step when that cannot be written down."""
        return Windows(dict(self.due), set(self.held), dict(self.counted))

    def measure(
        self,
        store: Store,
        rules: Mapping[str, Rule],
        now: datetime,
        upto: int,
        watched_since: datetime,
        problems: dict[str, QueryError],
    ) -> list[Measured]:
        """Count what is due. `problems` loses the rules that could be judged and gains those that could not.

        Raises StoreError.
        """
        measured = []
        for id_, due in self.due.items():
            rule = rules[id_]
            condition = rule.when
            if due > now or not isinstance(condition, Count):
                continue
            self.due[id_] = now + max(WINDOW_EVERY, min(condition.over / 720, WINDOW_EVERY_MAX))
            if condition.op == "<" and now - watched_since < condition.over:
                continue  # what nobody watched cannot be called missing
            if condition.op == ">" and id_ not in self.held and self.counted.get(id_) == upto:
                continue  # without new events a count only falls
            try:
                measured.append(measure(store, rule, now, upto))
                self.counted[id_] = upto
                problems.pop(id_, None)
            except QueryError as error:
                problems[id_] = error
        return measured

    def stirred(self, measured: list[Measured]) -> bool:
        """Whether what was counted changes an alert."""
        return any(window.holds or window.rule.id in self.held for window in measured)
