"""What state a run is in, from the names of the events it left: once as SQL over many runs, once in Python for one.

Several witnesses may tell of the same run, late and out of order, so their words are weighed, not counted: an end beats
a start; what was said of a run that was seen to end beats that it was thought lost; and of two ends the more particular
one holds (ComfyUI's own history calls an interrupted run failed, and one that failed in part a success). Only a run
that is said to have been interrupted and to have finished has finished: it was taken out of the queue and put back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ..event import Name
from . import dialect
from .sql import Sql


class State(StrEnum):
    """How far a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    REJECTED = "rejected"
    LOST = "lost"
    UNKNOWN = "unknown"  # begun, and nobody has said a word since, nor that it ended


OPEN_WITHIN: Final = timedelta(days=7)
"""A run that was queued or started and of which nothing was heard for longer is not taken for open any more."""
RECENT: Final = timedelta(minutes=10)
"""A run that nobody announced (only its nodes or log lines carry its id) is running while the last is no older."""

_WEIGHED: Final = (
    (Name.RUN_INTERRUPTED, State.INTERRUPTED),
    (Name.RUN_FAILED, State.FAILED),
    (Name.RUN_FINISHED, State.FINISHED),
    (Name.RUN_LOST, State.LOST),
    (Name.RUN_REJECTED, State.REJECTED),
)
_NODES: Final = (Name.NODE_STARTED, Name.NODE_PROGRESS, Name.NODE_CACHED, Name.NODE_FINISHED, Name.NODE_FAILED)
_MARKS: Final = {
    **{name: 1 << place for place, (name, _) in enumerate(_WEIGHED)},
    Name.RUN_QUEUED: 1 << 5,
    Name.RUN_STARTED: 1 << 6,
    Name.RUN_STUCK: 1 << 6,
    **dict.fromkeys(_NODES, 1 << 7),
}
_ANNOUNCED: Final = _MARKS[Name.RUN_QUEUED] | _MARKS[Name.RUN_STARTED]
QUEUED_MARKS: Final = _MARKS[Name.RUN_QUEUED] | _MARKS[Name.RUN_REJECTED]
"""A run that left one of these begins where we see it begin."""

OF_RUNS: Final = (*(name for name, _ in _WEIGHED), Name.RUN_QUEUED, Name.RUN_STARTED, Name.RUN_STUCK)
"""The events that are about a run as a whole."""
RUN_ENDS: Final = {state: name for name, state in _WEIGHED}
"""The event that ends a run in a state."""
ENDED: Final = frozenset(RUN_ENDS)


def marks() -> str:
    """An aggregate: which kinds of event a run left. Most are of nodes: asked first, they cost one comparison."""
    cases = " ".join(f"WHEN {dialect.string(name)} THEN {mark}" for name, mark in _MARKS.items() if name in OF_RUNS)
    return (
        f"bit_or(CASE WHEN starts_with(\"event\", 'node_') THEN {_MARKS[Name.NODE_STARTED]} "
        f'WHEN starts_with("event", \'run_\') THEN CASE "event" {cases} ELSE 0 END ELSE 0 END)'
    )


def state_sql(marks: str, last_at: str, now: datetime) -> Sql:
    """The state, from what `marks` gave and the time of the last event."""
    resumed = f" AND {marks} & {_MARKS[Name.RUN_FINISHED]} = 0"
    ends = " ".join(
        f"WHEN {marks} & {_MARKS[name]} <> 0{resumed if name == Name.RUN_INTERRUPTED else ''} THEN '{state}'"
        for name, state in _WEIGHED
    )
    begun = _MARKS[Name.RUN_STARTED] | _MARKS[Name.NODE_STARTED]
    text = (
        f"CASE {ends} WHEN {last_at} < CASE WHEN {marks} & {_ANNOUNCED} <> 0 THEN ? ELSE ? END THEN '{State.UNKNOWN}' "
        f"WHEN {marks} & {begun} = 0 AND {marks} & {_ANNOUNCED} <> 0 THEN '{State.QUEUED}' ELSE '{State.RUNNING}' END"
    )
    return Sql(text, (now - OPEN_WITHIN, now - RECENT))


def state_of(events: Iterable[str | None], last_at: datetime, now: datetime) -> State:
    """The same for one run."""
    told = set(events)
    if Name.RUN_FINISHED in told:
        told.discard(Name.RUN_INTERRUPTED)
    for name, state in _WEIGHED:
        if name in told:
            return state
    announced = any(_MARKS.get(name, 0) & _ANNOUNCED for name in told)  # type: ignore[call-overload]
    if last_at < now - (OPEN_WITHIN if announced else RECENT):
        return State.UNKNOWN
    begun = told & {Name.RUN_STARTED, Name.RUN_STUCK, *_NODES}
    return State.RUNNING if begun or not announced else State.QUEUED
