"""What a rule waits for, as a typed object: what the one-line `when` and a form in the page both mean.

Every condition prints itself as the line that `when.parse` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ..query.ast import Filter
from ..units import written

_WORDS: Final = {">": "more than", "<": "fewer than"}


@dataclass(frozen=True, slots=True)
class Match:
    """`any FILTER`: every matching event counts, as soon as it is committed."""

    filter: Filter

    def __str__(self) -> str:
        return f"any {self.filter}"


@dataclass(frozen=True, slots=True)
class Count:
    """`more than N FILTER over DURATION`, or `fewer than`: how many events of the last `over` match."""

    over: timedelta
    op: Literal[">", "<"]
    threshold: int
    filter: Filter

    def holds(self, count: int) -> bool:
        """Whether that many are too many, or too few."""
        return count > self.threshold if self.op == ">" else count < self.threshold

    def __str__(self) -> str:
        return f"{_WORDS[self.op]} {self.threshold} {self.filter} over {written(self.over)}"


Condition = Match | Count
