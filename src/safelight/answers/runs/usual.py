"""How long runs of the same graph usually take: the median of those that finished before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ...query import runs as query
from ...query.sql import Span
from ...store import Store
from .reading import span_around, time_of

LOOK_BACK: Final = 50
"""Runs of the same graph that count, the last ones."""
SOON: Final = timedelta(hours=6)
ENOUGH: Final = 10
WITHIN: Final = timedelta(days=30)
"""How far back they may lie. A graph that ran ENOUGH times within hours is judged by those: looking through a month
takes ten times as long."""


@dataclass(frozen=True, slots=True)
class Usual:
    """The earlier runs of a graph."""

    ms: float
    """The median of their durations."""
    ids: tuple[str, ...]
    span: Span
    """All their events are in it."""


def usual(store: Store, runs: Sequence[Mapping[str, Any]]) -> dict[str, Usual]:
    """By run id, for runs as `run_summary` makes them; nothing for a run whose like never finished before."""
    wanted = [(run["id"], run["graph_hash"], at) for run in runs if run["graph_hash"] and (at := _began(run))]
    found: dict[str, Usual] = {}
    for back in (SOON, WITHIN):
        if not wanted:
            break
        times = [at for _, _, at in wanted]
        seen = store.run(query.usual(wanted, LOOK_BACK), span_around(min(times), max(times), back)).to_pylist()
        for row in seen:
            span = span_around(row["first_at"], row["end_at"])
            found[row["id"]] = Usual(round(row["ms"], 3), tuple(row["ids"]), span)
        enough = {row["id"] for row in seen if row["count"] >= ENOUGH}
        wanted = [one for one in wanted if one[0] not in enough]
    return found


def usual_nodes(store: Store, earlier: Usual | None) -> dict[str, float]:
    """The median duration of each class of node in those runs, in milliseconds."""
    if earlier is None:
        return {}
    found = store.run(query.usual_nodes(earlier.ids), earlier.span).to_pylist()
    return {row["node"]: round(row["ms"], 3) for row in found if row["ms"] is not None}


def _began(run: Mapping[str, Any]) -> datetime | None:
    return time_of(run["queued_at"] or run["started_at"])
