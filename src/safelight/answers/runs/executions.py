"""What happened in each node of a run: from its events, one entry a node however many witnesses told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from ...event import Name
from ...query.run_states import State
from .reading import Row, between, greatest, moment, number, text

MOST_STEPS: Final = 200
"""Marks of progress that one node shows; of more, evenly chosen ones."""

_OF_NODES: Final = frozenset(
    {
        Name.NODE_STARTED,
        Name.NODE_PROGRESS,
        Name.NODE_CACHED,
        Name.NODE_FINISHED,
        Name.NODE_FAILED,
        Name.NODE_BLOCKED,
        Name.MODEL_LOADED,
        Name.RUN_INTERRUPTED,
        Name.RUN_LOST,
    }
)
_ENDS: Final = {
    Name.NODE_FAILED: "failed",
    Name.NODE_BLOCKED: "blocked",
    Name.NODE_FINISHED: "finished",
    Name.NODE_CACHED: "cached",
}
"""The weightiest first: a node that failed is not finished, and one that finished was not taken from the cache. One
that was given an ExecutionBlocker may be told as finished too: it did nothing."""
_MEASURED: Final = ("vram_before_mb", "vram_peak_mb", "vram_used_mb", "torch_peak_mb", "ram_used_mb")


@dataclass
class _Node:
    """What was told of one node."""

    events: list[Row] = field(default_factory=list)

    def named(self, name: str) -> list[Row]:
        return [row for row in self.events if row["event"] == name]

    def end(self) -> Row | None:
        """The event that ended it; of several witnesses, the one that says most."""
        for name in _ENDS:
            if found := self.named(name):
                return max(found, key=lambda row: len(row["attributes"]) + (row["duration_ms"] is not None))
        return None

    def said(self, key: str) -> Any:
        """A column or an attribute, of the last event that has it."""
        for row in reversed(self.events):
            value = row.get(key) if row.get(key) is not None else row["attributes"].get(key)
            if value is not None:
                return value
        return None


def executions(
    events: Sequence[Row], start: datetime, state: str, ended_at: datetime | None, usual: Mapping[str, float]
) -> list[dict[str, Any]]:
    """The nodes in the order of their start. `start` is the run's, from which offsets are counted in milliseconds."""
    nodes: dict[str, _Node] = {}
    for row in events:
        if row["node_id"] and row["event"] in _OF_NODES:
            if row["event"] in {Name.RUN_INTERRUPTED, Name.RUN_LOST} and row["node_id"] in nodes:
                continue
            nodes.setdefault(row["node_id"], _Node()).events.append(row)
    made = [_execution(node_id, node, start, state, ended_at, usual) for node_id, node in nodes.items()]
    return sorted(made, key=lambda one: one["offset_ms"])


def _execution(
    node_id: str, node: _Node, start: datetime, state: str, ended_at: datetime | None, usual: Mapping[str, float]
) -> dict[str, Any]:
    end = node.end()
    begun = [row["timestamp"] for row in node.named(Name.NODE_STARTED)]
    since = begun[0] if begun else _before(end) if end else node.events[0]["timestamp"]
    current = _state(end, state)
    kind = text(node.said("node"))
    progress = node.named(Name.NODE_PROGRESS)
    newest = progress[-1]["attributes"] if progress else {}
    inputs, outputs = node.said("inputs"), node.said("outputs")
    return {
        "node_id": node_id,
        "node": kind,
        "title": text(node.said("title")),
        "display_id": text(node.said("display_id")),
        "parent_id": text(node.said("parent_id")),
        "state": current,
        "started_at": moment(since),
        "offset_ms": between(start, since),
        "duration_ms": _duration(end, current, since, ended_at),
        "active_ms": number(end["attributes"].get("active_ms")) if end else None,
        "usual_ms": usual.get(kind or ""),
        **{name: _measured(node, name) for name in _MEASURED},
        "loads": _loads(node, start),
        "steps": _steps(progress, start),
        "value": number(newest.get("value")),
        "max": number(newest.get("max")),
        "inputs": inputs if isinstance(inputs, dict) else {},
        "outputs": outputs if isinstance(outputs, list) else [],
        "error": _error(end, current) if end else None,
    }


def _error(end: Row, current: str) -> dict[str, Any] | None:
    if current == "blocked":
        return {"type": "ExecutionBlocker", "message": end["message"], "traceback": None}
    if current != "failed":
        return None
    return {"type": end["error_type"], "message": end["error_message"], "traceback": end["traceback"]}


def _state(end: Row | None, run: str) -> str:
    """A node that never ended was cut short by the end of its run, whatever that was."""
    if end is not None:
        return _ENDS[end["event"]]
    return {State.RUNNING: "running", State.QUEUED: "running", State.FINISHED: "finished"}.get(
        State(run), "interrupted"
    )


def _before(end: Row) -> datetime:
    """When a node began whose start nobody told."""
    at: datetime = end["timestamp"]
    try:
        return at - timedelta(milliseconds=number(end["duration_ms"]) or 0)
    except OverflowError:  # longer than there is a calendar
        return at


def _duration(end: Row | None, current: str, since: datetime, ended_at: datetime | None) -> float | None:
    if current == "cached":
        return 0.0
    if end is not None:
        told = number(end["duration_ms"])
        return told if told is not None else between(since, end["timestamp"])
    return between(since, ended_at) if current == "interrupted" and ended_at else None


def _measured(node: _Node, name: str) -> float | None:
    """Memory of the end of the node; a reading in the middle, from `model_loaded`, is not what it ended with."""
    ends = [row for row in node.events if row["event"] in _ENDS]
    return greatest(*(row.get(name) if name in row else row["attributes"].get(name) for row in ends))


def _loads(node: _Node, start: datetime) -> list[dict[str, Any]]:
    """Each model once; `model_loaded` is told when the loading is over."""
    found: dict[tuple[str | None, float], dict[str, Any]] = {}
    for row in node.named(Name.MODEL_LOADED):
        said = row["attributes"]
        ms = number(said.get("load_ms")) or number(row["duration_ms"]) or 0.0
        over = between(start, row["timestamp"]) or 0.0
        model = text(said.get("model"))
        load = {"model": model, "offset_ms": round(over - ms, 3), "duration_ms": ms}
        found.setdefault((model, ms), load | {"model_mb": number(said.get("model_mb"))})
    return list(found.values())


def _steps(progress: Sequence[Row], start: datetime) -> list[float]:
    """When each new value of progress was told."""
    told = list(progress[:1])
    told += [
        after
        for before, after in pairwise(progress)
        if (number(after["attributes"].get("value")) or 0) > (number(before["attributes"].get("value")) or 0)
    ]
    stride = -(-len(told) // MOST_STEPS) or 1
    return [between(start, row["timestamp"]) or 0.0 for row in told[::stride]]
