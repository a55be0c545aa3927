"""Runs that have begun and not ended: what the keeper of lost runs asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ...event import IMPORTED, RUN_ENDED_ANYHOW, Name
from ...query.sql import Span, Sql
from ...store import Store

LOOK_BACK: Final = timedelta(days=7)
"""A run that was queued longer ago and has not ended is nobody's business any more."""
PROOF_WITHIN: Final = timedelta(seconds=60)
"""A kill for lack of memory, so close to the last sign of life of a run, is taken for its cause."""
_ENDED: Final = ", ".join(f"'{name}'" for name in RUN_ENDED_ANYHOW)
_SEEN_TO_END: Final = ", ".join(f"'{name}'" for name in RUN_ENDED_ANYHOW if name != Name.RUN_LOST)
_COLUMNS: Final = f"""
SELECT seq, workflow_id, event, timestamp, instance, host, source, workflow_name,
       CASE WHEN event IN ('{Name.RUN_QUEUED}', '{Name.RUN_LOST}', '{Name.RUN_RESUBMITTED}') THEN attributes END AS said
  FROM events
 WHERE workflow_id IS NOT NULL AND NOT starts_with(coalesce(id, ''), ?)
   AND event IN ('{Name.RUN_QUEUED}', '{Name.RUN_STARTED}', '{Name.RUN_RESUBMITTED}', {_ENDED})
"""  # noqa: S608 - constants of ours
_MOVED: Final = f"SELECT * FROM ({_COLUMNS}) ORDER BY seq"  # noqa: S608
_RUNS_WITH: Final = "(SELECT workflow_id FROM events WHERE workflow_id IS NOT NULL AND event IN ({}))"
_LEFT_OPEN: Final = f"""
WITH steps AS MATERIALIZED ({_COLUMNS})
SELECT * FROM steps
 WHERE event = '{Name.RUN_RESUBMITTED}'
    OR (event = '{Name.RUN_LOST}' AND workflow_id NOT IN {_RUNS_WITH.format(_SEEN_TO_END)})
    OR (event <> '{Name.RUN_LOST}' AND workflow_id IN (SELECT workflow_id FROM steps
        WHERE event = '{Name.RUN_QUEUED}' AND contains(said, '"replay_of"')))
    OR workflow_id NOT IN {_RUNS_WITH.format(_ENDED)}
 ORDER BY seq
"""  # noqa: S608
_NODES: Final = tuple(
    name.value
    for name in (Name.NODE_STARTED, Name.NODE_FINISHED, Name.NODE_FAILED, Name.NODE_CACHED, Name.NODE_BLOCKED)
)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a run."""

    run_id: str
    event: str
    at: datetime
    instance: str | None
    host: str | None
    source: str | None
    """Whence it came: of a run in a spool, the file."""
    workflow_name: str | None
    said: str | None
    """The attributes, as JSON, of a run that was queued, lost or submitted again."""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """The last signs of life of a run."""

    at: datetime
    source: str | None
    node: str | None
    node_id: str | None
    vram_used_mb: float | None
    ram_used_mb: float | None


def moved(store: Store, after_seq: int, upto_seq: int) -> list[Step]:
    """What happened to runs between two commits, in order. Raises StoreError."""
    return _steps(store, _MOVED, Span(after_seq=after_seq, upto_seq=upto_seq))


def left_open(store: Store, now: datetime, upto_seq: int) -> list[Step]:
    """The same since LOOK_BACK, of runs that have not ended; and every resubmission, with the end of what it made,
    and every loss of a run that was not seen to end after all. Raises StoreError."""
    return _steps(store, _LEFT_OPEN, Span(start=now - LOOK_BACK, upto_seq=upto_seq))


def last_seen(store: Store, run_id: str, since: datetime, *, running: bool) -> LastSeen | None:
    """Where a run was when it was last heard of; None when it never was. One that only waited was nowhere."""
    span = Span(start=since)
    latest = _newest(store, Sql("workflow_id = ?", (run_id,)), span, 1)
    if not latest:
        return None
    if not running:
        return LastSeen(latest[0]["timestamp"], latest[0]["source"], None, None, None, None)
    sampled = _newest(store, Sql("workflow_id = ? AND event = ?", (run_id, Name.RESOURCES_SAMPLED.value)), span, 1)
    memory = sampled[0] if sampled else {}
    marks = ", ".join("?" * len(_NODES))
    nodes = _newest(store, Sql(f"workflow_id = ? AND event IN ({marks})", (run_id, *_NODES)), span, 100)
    current = _current(nodes)
    return LastSeen(
        latest[0]["timestamp"],
        latest[0]["source"],
        current.get("node"),
        current.get("node_id"),
        memory.get("vram_used_mb"),
        memory.get("ram_used_mb"),
    )


def heard_at(store: Store, folder: str, since: datetime) -> datetime | None:
    """When the last event from a file in `folder` arrived here, of those with a time after `since`."""
    found = _newest(store, Sql("starts_with(source, ?)", (f"{folder}/",)), Span(start=since), 1)
    return found[0]["received_at"] if found else None


def killed_for_memory(store: Store, host: str | None, around: datetime) -> dict[str, Any] | None:
    """The kill of a process of this host next to a moment; None when there was none, or nobody watched."""
    if host is None:
        return None
    span = Span(start=around - PROOF_WITHIN, end=around + PROOF_WITHIN)
    found = _newest(store, Sql("event = ? AND host = ?", (Name.OOM_KILLED.value, host)), span, 1)
    return found[0] if found else None


def _steps(store: Store, text: str, span: Span) -> list[Step]:
    rows = store.run(Sql(text, (IMPORTED,)), span).to_pylist()
    return [
        Step(
            row["workflow_id"],
            row["event"],
            row["timestamp"],
            row["instance"],
            row["host"],
            row["source"],
            row["workflow_name"],
            row["said"],
        )
        for row in rows
    ]


def _newest(store: Store, where: Sql, span: Span, limit: int) -> list[dict[str, Any]]:
    return list(store.newest(where, span, limit=limit).to_pylist())


def _current(newest_first: list[dict[str, Any]]) -> dict[str, Any]:
    """The node that was started last and did not end."""
    ended: set[str | None] = set()
    for row in newest_first:
        if row["event"] != Name.NODE_STARTED:
            ended.add(row["node_id"])
        elif row["node_id"] not in ended:
            return row
    return {}
