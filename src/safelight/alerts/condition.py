"""What a rule waits for, as a typed object: what the one-line `when` and a form in the page both mean.

Every condition prints itself as the line that `when.parse` reads. A run counts when it has ended (`event.RUN_ENDED`, or
`image_processed` and `processing_failed` of a service without runs); `event.RUN_WENT_WRONG` are its failures.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from ..query.ast import Filter
from ..query.ast import Match as Equals
from ..units import written
from .mask import masked

Operator = Literal[">", ">=", "<", "<="]

KNOWN_FOR: Final = timedelta(days=30)
"""`new error group`: how long a group stays known after its last event."""
PLACE: Final = ("service", "instance")
"""What `N failures in a row` are told apart by."""

_WORDS: Final = {">": "more than", "<": "fewer than"}
_RESERVED: Final = re.compile(
    r"(?<![^\s(])(?:of|by|over|among|for|from|within|checked|at|takes|[<>]=?)(?![^\s)])", re.IGNORECASE
)


def beyond(figure: float, op: Operator, threshold: float) -> bool:
    """Whether `figure op threshold`."""
    if op == ">":
        return figure > threshold
    if op == ">=":
        return figure >= threshold
    return figure < threshold if op == "<" else figure <= threshold


def figure(value: float) -> str:
    """A number as people write it."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _shown(condition: Filter) -> str:
    """A filter where other words follow: one that holds such a word itself stands in parentheses."""
    said = str(condition)
    return f"({said})" if _RESERVED.search(masked(said)) or "," in masked(said) else said


def _of(condition: Filter | None) -> str:
    return "" if condition is None else f" of {_shown(condition)}"


def _by(fields: tuple[str, ...]) -> str:
    return f" by {', '.join(fields)}" if fields else ""


class Condition:
    """What a rule waits for."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Match(Condition):
    """`any FILTER`: every matching event counts, as soon as it is committed."""

    filter: Filter

    def __str__(self) -> str:
        return f"any {self.filter}"


@dataclass(frozen=True, slots=True)
class Daily:
    """`checked at 20:00 Asia/Shanghai`: once a day at that time; without a zone, that of this machine."""

    hour: int
    minute: int
    zone: str | None = None

    def __str__(self) -> str:
        return f", checked at {self.hour:02}:{self.minute:02}" + (f" {self.zone}" if self.zone else "")


@dataclass(frozen=True, slots=True)
class Count(Condition):
    """`more than N FILTER over DURATION`, or `fewer than`: how many events of the last `over` match."""

    over: timedelta
    op: Literal[">", "<"]
    threshold: int
    filter: Filter
    by: tuple[str, ...] = ()
    checked: Daily | None = None

    def holds(self, count: int) -> bool:
        """Whether that many are too many, or too few."""
        return count > self.threshold if self.op == ">" else count < self.threshold

    def __str__(self) -> str:
        counted = f"{_WORDS[self.op]} {self.threshold} {_shown(self.filter)}{_by(self.by)}"
        return f"{counted} over {written(self.over)}{self.checked or ''}"


@dataclass(frozen=True, slots=True)
class Share(Condition):
    """`failure rate > 15% over 15m, at least 20 runs`: which part of the ended runs were failures; or
    `rate of FILTER among FILTER > 15% over 15m`: which part of some events also match another filter. In percent.

    `bad` is None for failures, and `filter` then says which runs; both filters otherwise.
    """

    over: timedelta
    op: Operator
    threshold: float
    filter: Filter | None = None
    bad: Filter | None = None
    by: tuple[str, ...] = ()
    least: int = 1

    def __str__(self) -> str:
        if self.bad is None or self.filter is None:
            share, least = f"failure rate{_of(self.filter)}", f", at least {self.least} runs"
        else:
            share, least = f"rate of {_shown(self.bad)} among {_shown(self.filter)}", f", at least {self.least}"
        limit = f"{self.op} {figure(self.threshold)}% over {written(self.over)}"
        return f"{share}{_by(self.by)} {limit}{least if self.least > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Statistic(Condition):
    """`mean duration_ms of event:image_processed > 2000 over 15m, at least 20`. A percentile is that of the nearest
    rank: `p95 > 2000` when more than 5 % of the values are greater than 2000."""

    function: str
    field: str
    over: timedelta
    op: Operator
    threshold: float
    filter: Filter | None = None
    by: tuple[str, ...] = ()
    least: int = 1

    @property
    def percentile(self) -> int | None:
        """Which one, of a median or a percentile."""
        if self.function == "median":
            return 50
        return int(self.function[1:]) if self.function.startswith("p") else None

    def __str__(self) -> str:
        what = f"{self.function} {self.field}{_of(self.filter)}{_by(self.by)}"
        least = f", at least {self.least}" if self.least > 1 else ""
        return f"{what} {self.op} {figure(self.threshold)} over {written(self.over)}{least}"


@dataclass(frozen=True, slots=True)
class Streak(Condition):
    """`3 failures in a row`: the last runs of a place all failed. Over as soon as one does not."""

    length: int
    filter: Filter | None = None
    by: tuple[str, ...] = PLACE

    def __str__(self) -> str:
        return f"{self.length} failures in a row{_of(self.filter)}{_by(self.by) if self.by != PLACE else ''}"


@dataclass(frozen=True, slots=True)
class Absence(Condition):
    """`no events from NAME for 5m`, NAME being a service, instance or host; or `no FILTER for 5m`."""

    lasting: timedelta
    name: str | None = None
    filter: Filter | None = None

    def __str__(self) -> str:
        if self.name is not None:
            return f"no events from {str(Equals('x', self.name)).removeprefix('x:')} for {written(self.lasting)}"
        assert self.filter is not None  # noqa: S101 - one of the two is there
        return f"no {_shown(self.filter)} for {written(self.lasting)}"


@dataclass(frozen=True, slots=True)
class Takes(Condition):
    """`run takes > 30s`, `node takes > 30s`: said once of each, also while it is still running."""

    what: Literal["run", "node"]
    op: Literal[">", ">="]
    longest: timedelta
    filter: Filter | None = None

    def __str__(self) -> str:
        return f"{self.what} takes {self.op} {written(self.longest)}{_of(self.filter)}"


@dataclass(frozen=True, slots=True)
class Stalled(Condition):
    """`run shows no progress for 10m`: it has begun, has not ended, and nothing was heard of it but readings of memory.
    Said once of each run."""

    lasting: timedelta
    filter: Filter | None = None

    def __str__(self) -> str:
        return f"run shows no progress for {written(self.lasting)}{_of(self.filter)}"


@dataclass(frozen=True, slots=True)
class Slower(Condition):
    """`duration_ms by node 2x its usual over 1h, at least 10`: the mean of the window is at least so many times the
    mean of the 7 days before it, each of at least `least` values. By node, the times of whole runs and of loading
    models are left out, which also name a node."""

    field: str
    factor: float
    over: timedelta
    filter: Filter | None = None
    by: tuple[str, ...] = ()
    least: int = 1

    def __str__(self) -> str:
        what = f"{self.field}{_of(self.filter)}{_by(self.by)}"
        least = f", at least {self.least}" if self.least > 1 else ""
        return f"{what} {figure(self.factor)}x its usual over {written(self.over)}{least}"


@dataclass(frozen=True, slots=True)
class NewError(Condition):
    """`new error group`: an `error_group` that no event of the last `within` had. Said once of each."""

    filter: Filter | None = None
    within: timedelta = KNOWN_FOR

    def __str__(self) -> str:
        within = "" if self.within == KNOWN_FOR else f" within {written(self.within)}"
        return f"new error group{_of(self.filter)}{within}"


@dataclass(frozen=True, slots=True)
class Level(Condition):
    """`gpu.temperature_c > 87 for 2m`: the latest reading of a figure, of each host and card, all that long."""

    field: str
    op: Operator
    threshold: float
    lasting: timedelta = timedelta()
    filter: Filter | None = None
    by: tuple[str, ...] = ()

    def __str__(self) -> str:
        lasting = f" for {written(self.lasting)}" if self.lasting else ""
        return f"{self.field}{_of(self.filter)}{_by(self.by)} {self.op} {figure(self.threshold)}{lasting}"


@dataclass(frozen=True, slots=True)
class Emptied(Condition):
    """`queue empties after 30m`: an instance has nothing left to do, after runs that went on for at least that long
    without a pause of 60 s. Said 60 s after the end of the last one."""

    after: timedelta

    def __str__(self) -> str:
        return f"queue empties after {written(self.after)}"


Thresholded = Count | Share | Statistic | Level
"""Conditions with a figure that `clear` can state otherwise."""


def clears(clear: Condition, when: Condition) -> bool:
    """Whether `clear` states the same as `when` with another figure, such that not both can hold; of a match, whether
    it is about other events."""
    if isinstance(when, Match):
        return isinstance(clear, Match) and clear != when
    if not isinstance(when, Thresholded) or type(clear) is not type(when):
        return False
    assert isinstance(clear, Thresholded)  # noqa: S101 - the same type
    if _form(clear) != _form(when):
        return False
    if when.op[0] == clear.op[0]:
        return False
    low, high = (clear, when) if when.op[0] == ">" else (when, clear)
    return low.threshold < high.threshold or (low.threshold == high.threshold and len(low.op) + len(high.op) < 4)


def _form(condition: Thresholded) -> Condition:
    """What must be the same in `when` and `clear`; the least number of values and the duration may differ."""
    match condition:
        case Count():
            return replace(condition, threshold=0, op=">", checked=None)
        case Level():
            return replace(condition, threshold=0.0, op=">", lasting=timedelta())
        case _:
            return replace(condition, threshold=0.0, op=">", least=1)
