"""What judging gives to the life of alerts: things that happened, and conditions that hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..errors import QueryError
from .rule import Rule


@dataclass(frozen=True, slots=True)
class Hit:
    """Something happened, with these labels: it opens an alert, or more of one that ends by quiet (`resolve_after`).
    Times are the events' own."""

    rule: Rule
    labels: Mapping[str, str]
    count: int
    first_at: datetime
    last_at: datetime
    first_seq: int
    last_seq: int
    events: Sequence[Mapping[str, Any]] = ()
    value: float | None = None
    """The figure that mattered: how many ms a run took; of an emptied queue, how many runs failed."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One set of labels for which a standing condition holds now."""

    labels: Mapping[str, str]
    count: int
    """Events that the figure is about."""
    value: float | None = None
    """The figure: a share in percent, a statistic, a reading, how many times its usual."""
    events: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing rule as it was judged now. What fires and is not `holding` any more is over: `clear` is already
    considered. A rule without a `Standing` was not judged in this step, and nothing changes for it."""

    rule: Rule
    holding: tuple[Holding, ...] = ()
    no_data: bool = False
    """There is nothing to judge by: no reading newer than two minutes."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """An event that ends what a match rule told of: every alert about the same thing (no label of both differs) whose
    last event is older."""

    rule: Rule
    labels: Mapping[str, str]
    last_at: datetime
    last_seq: int


@dataclass(frozen=True, slots=True)
class Judged:
    """One step. `late`: events that came too late to fire. `failed`: rules that could not be judged, and why."""

    hits: tuple[Hit, ...] = ()
    standing: tuple[Standing, ...] = ()
    late: int = 0
    failed: tuple[tuple[str, QueryError], ...] = ()
    cleared: tuple[Cleared, ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()
    """Rules that went on without having been asked about so many events."""
