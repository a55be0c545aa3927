"""What a condition measured over time, for a curve: of several label sets the one that comes closest to an alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..query import dialect
from ..query.sql import Span, Sql
from ..store import Store
from .condition import Condition, Count, Level, Share, Statistic
from .evaluate import JUDGED
from .watch import moment, us
from .watch.columns import COUNTED_RUNS, FAILURES, TRUE, every, key_of, number_of, of, there

TIMEOUT_S: Final = 15.0
_UNITS: Final = {"_ms": "ms", "_mb": "MB", "_percent": "%", "_c": "°C", "_w": "W", "_mhz": "MHz", "_s": "s"}
_NO_FIGURE: Final = Sql("NULL::DOUBLE")
_FUNCTIONS: Final = {"mean": "avg(x)", "max": "max(x)", "min": "min(x)", "sum": "sum(x)"}


@dataclass(frozen=True, slots=True)
class Series:
    """The figure at each time; None where there was none, or too little to go by."""

    at: tuple[datetime, ...]
    values: tuple[float | None, ...]
    threshold: float
    unit: str


@dataclass(frozen=True, slots=True)
class _Measured:
    """A figure over the events of a stretch of time."""

    condition: Count | Share | Statistic | Level
    wanted: Sql
    figure: str
    over: timedelta
    x: Sql = _NO_FIGURE
    bad: Sql = TRUE
    least: int = 1
    unit: str = ""
    by: tuple[str, ...] = ()


def series(store: Store, condition: Condition, at: Sequence[datetime], now: datetime) -> Series | None:
    """The figure at evenly spaced times; None for a condition that measures nothing. Raises QueryError, StoreError."""
    measured = _measured(condition, at[1] - at[0], now)
    if measured is None:
        return None
    found = _asked(store, measured, at)
    nothing = 0.0 if isinstance(condition, Count) else None
    values = tuple(found.get(number, nothing) for number in range(len(at)))
    return Series(tuple(at), values, measured.condition.threshold, measured.unit)


def _measured(condition: Condition, step: timedelta, now: datetime) -> _Measured | None:
    match condition:
        case Count():
            wanted = of(condition.filter, now)
            return _Measured(condition, wanted, "count(*)", condition.over, by=condition.by)
        case Share():
            runs = COUNTED_RUNS if condition.bad is None else TRUE
            return _Measured(
                condition,
                every(runs, of(condition.filter, now)),
                "100.0 * count(*) FILTER (bad) / count(*)",
                condition.over,
                bad=FAILURES if condition.bad is None else of(condition.bad, now),
                least=condition.least,
                unit="%",
                by=condition.by,
            )
        case Statistic():
            x = number_of(condition.field)
            figure = (
                _FUNCTIONS[condition.function]
                if condition.percentile is None
                else dialect.quantile("x", f"{condition.percentile / 100:g}")
            )
            wanted = every(there(x), of(condition.filter, now))
            return _Measured(
                condition,
                wanted,
                figure,
                condition.over,
                x,
                TRUE,
                condition.least,
                _unit(condition.field),
                condition.by,
            )
        case Level():
            x = number_of(condition.field)
            figure = "max(x)" if condition.op[0] == ">" else "min(x)"
            wanted = every(there(x), of(condition.filter, now))
            return _Measured(condition, wanted, figure, step, x, unit=_unit(condition.field))
    return None


def _asked(store: Store, measured: _Measured, at: Sequence[datetime]) -> dict[int, float]:
    """By the number of the time. An event counts at every time that it is at most `over` older than."""
    first, step, over = moment(at[0]), us(at[1] - at[0]), us(measured.over)
    worst = "max" if measured.condition.op[0] == ">" else "min"
    key = key_of(measured.by)
    # One time at least is in every stretch; those before the first and after the last are none.
    begins = f"greatest(t - {first} + {step - 1}, 0) // {step}"
    ends = f"least(greatest(t - {first} + {over + step - 1}, 0) // {step}, {len(at)})"
    text = (
        f"SELECT i, {worst}(f) AS f FROM ("  # noqa: S608
        f" SELECT i, key, {measured.figure} AS f FROM ("
        f"  SELECT unnest(range({begins}, {ends})) AS i, key, x, bad FROM ("
        f"   SELECT epoch_us(timestamp) AS t, {key.text} AS key, {measured.x.text} AS x, ({measured.bad.text}) AS bad"
        f"   FROM events WHERE {JUDGED.text} AND ({measured.wanted.text})))"
        f" GROUP BY i, key HAVING count(*) >= {measured.least:d}) GROUP BY i"
    )
    values = (
        *key.parameters, *measured.x.parameters, *measured.bad.parameters, *JUDGED.parameters,
        *measured.wanted.parameters,
    )  # fmt: skip
    span = Span(at[0] - measured.over, at[-1])
    rows = store.run(Sql(text, values), span, timeout_s=TIMEOUT_S).to_pylist()
    return {row["i"]: row["f"] for row in rows if row["f"] is not None}


def _unit(field: str) -> str:
    return next((unit for suffix, unit in _UNITS.items() if field.endswith(suffix)), "")
