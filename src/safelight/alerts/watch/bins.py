"""Values in bins of 2 %, for percentiles: what is shown is at most 1 % off. Whether a rule fires is decided by exact
counts of values beyond its figure, not by bins."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Final

from ...query.sql import Sql

WIDTH: Final = 1.02
ZERO: Final = 1_000_000
"""Far above the bin of the greatest figure: bins of negative values lie below 0, mirrored."""
_TINY: Final = 1e-9


def bin_of(number: Sql) -> Sql:
    """The bin of a number."""
    text = f"({number.text})"
    return Sql(
        f"CASE WHEN abs({text}) < {_TINY!r} THEN 0 "
        f"ELSE sign({text}) * (floor(ln(abs({text})) / {log(WIDTH)!r}) + {ZERO}) END",
        number.parameters * 4,
    )


def middle(number: int) -> float:
    """A value of that bin."""
    if number == 0:
        return 0.0
    size: float = WIDTH ** (abs(number) - ZERO + 0.5)
    return size if number > 0 else -size


def percentile(bins: Mapping[int, int], percent: int) -> float | None:
    """The value of the nearest rank."""
    total, passed = sum(bins.values()), 0
    for number in sorted(bins):
        passed += bins[number]
        if passed * 100 >= percent * total:
            return middle(number)
    return None
