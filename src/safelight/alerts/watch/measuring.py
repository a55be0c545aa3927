"""A mean, a sum, an extreme or a percentile: `p95 duration_ms > 2s over 15m`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ...query.sql import Sql
from ..condition import Statistic, beyond
from ..rule import Rule
from . import Key, Row
from .bins import bin_of, percentile
from .columns import (
    COUNTED,
    NONE,
    SCALE,
    Asked,
    bucket,
    every,
    key_of,
    number_of,
    of,
    summed,
    there,
)
from .sliding import Sum
from .window import Window


class Measuring(Window[Statistic]):
    """A mean, a sum, an extreme or a percentile."""

    def __init__(self, rule: Rule, condition: Statistic) -> None:
        super().__init__(rule, condition)
        self._sign = -1.0 if condition.function == "max" else 1.0

    def asked(self, now: datetime, width: int) -> Asked:
        """Sums, extremes, or counts by bin and beyond the figures."""
        condition, number = self.condition, number_of(self.condition.field)
        wanted = every(there(number), of(condition.filter, now))
        at, key = bucket(width), key_of(condition.by)
        if condition.function in ("min", "max"):
            extreme = Sql(f"{condition.function}({number.text})", number.parameters)
            return Asked(wanted, at, key, COUNTED, x=extreme, z=NONE, grouped=True)
        if condition.percentile is None:
            return Asked(wanted, at, key, COUNTED, y=summed(number), z=NONE, grouped=True)
        above, again = (_above(number, one) for one in (condition, self.clear or condition))
        return Asked(wanted, at, key, COUNTED, x=bin_of(number), y=above, z=again, grouped=True, apart=(5,))

    def fold(self, rows: Sequence[Row], tick: int) -> None:
        """By what is asked for."""
        function, sliding = self.condition.function, self.sliding
        if function in ("min", "max"):
            for time, key, n, x, _, _ in rows:
                grain = sliding.add(time, key, n)
                if grain is not None and x is not None:
                    sliding.add_extreme(grain, key, self._sign * x)
            sliding.move(tick)
        elif self.condition.percentile is None:
            super().fold(rows, tick)
        else:
            for time, key, n, x, y, z in rows:
                sliding.add(time, key, n, y or 0, z, int(x or 0))
            sliding.move(tick)

    def holds(self, key: Key, total: Sum, condition: Statistic) -> bool:
        """Exactly, whatever is shown."""
        if not total.n:
            return False
        if condition.percentile is None:
            value = self.value(key, total)
            return value is not None and beyond(value, condition.op, condition.threshold)
        greater = total.y if condition is self.condition else total.z
        reached = (total.n - greater) * 100 >= condition.percentile * total.n
        return not reached if condition.op[0] == ">" else reached

    def value(self, key: Key, total: Sum) -> float | None:
        """The figure, of a percentile to 1 %."""
        if self.condition.function in ("min", "max"):
            least = self.sliding.least(key)
            return None if least is None else self._sign * least
        if self.condition.percentile is not None:
            return percentile(total.bins or {}, self.condition.percentile)
        total_sum = total.y / SCALE
        return total_sum / total.n if self.condition.function == "mean" and total.n else total_sum

    def example(self, now: datetime) -> Sql:
        """The values that are beyond the figure; of a sum, all."""
        condition, number = self.condition, number_of(self.condition.field)
        wanted = every(there(number), of(condition.filter, now))
        if condition.function == "sum":
            return wanted
        return every(wanted, Sql(f"{number.text} {condition.op} ?", (*number.parameters, condition.threshold)))


def _above(number: Sql, condition: Statistic) -> Sql:
    """How many values lie above the figure, or on it where that decides."""
    op = ">" if condition.op in (">", "<=") else ">="
    return Sql(f"count_if({number.text} {op} ?)", (*number.parameters, condition.threshold))
