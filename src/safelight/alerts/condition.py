"""What a rule waits for, as a typed object: what the one-line `when` and a form in the page both mean.

Every condition prints itself as the line that `when.parse` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ..query.ast import Filter

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_WORDS: Final = {">": "more than", "<": "fewer than"}


def written(length: timedelta) -> str:
    """A duration as people write it, to the millisecond: `5m`, `1h30m`."""
    rest, parts = length // timedelta(milliseconds=1), []
    for unit, size in _UNITS:
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts) or "0s"


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
