"""A run in a line: what lists, queues and the head of a run's page say of it.

Folded from the few events about the run as a whole and from what its nodes add up to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ...event import OURSELVES, Name
from ...query import runs as query
from ...query.run_states import ENDED, RUN_ENDS, State, state_of
from ...query.sql import Span
from ...store import Store
from .reading import Row, attributes, between, decoded, greatest, moment, number, text, time_of
from .usual import usual

Run = dict[str, Any]

AROUND: Final = timedelta(days=7)
"""How long before it was first seen in a span a run may have been queued and is still shown with that."""


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that one run's events say, as `query.runs` gives it."""

    id: str
    events: Sequence[Row]
    """About the run as a whole, in the order of time, `attributes` decoded."""
    figures: Row
    under_way: Sequence[Row] = ()
    """Nodes that began and did not end, the latest first."""


def gather(store: Store, ids: Sequence[str], span: Span, now: datetime) -> list[Told]:
    """What was told of the runs of these ids, in their order. `span` holds everything of them."""
    if not ids:
        return []
    told: dict[str, list[Row]] = {run_id: [] for run_id in ids}
    for row in decoded(store.run(query.told(ids), span).to_pylist()):
        told[row["workflow_id"]].append(row)
    figures = {row["id"]: row for row in store.run(query.figures(ids), span).to_pylist()}
    known = [run_id for run_id in ids if run_id in figures]
    begun = [run_id for run_id in known if state(told[run_id], figures[run_id], now) is State.RUNNING]
    under_way: dict[str, list[Row]] = {run_id: [] for run_id in begun}
    if begun:
        for row in store.run(query.under_way(begun), span).to_pylist():
            under_way[row["id"]].append(row)
    return [Told(run_id, told[run_id], figures[run_id], under_way.get(run_id, ())) for run_id in known]


def summaries(store: Store, told: Sequence[Told], now: datetime) -> list[Run]:
    """These runs as in the API."""
    made = [summary(one, now) for one in told]
    earlier = usual(store, made)
    return [{**run, "usual_ms": earlier[run["id"]].ms if run["id"] in earlier else None} for run in made]


def state(events: Sequence[Row], figures: Row, now: datetime) -> State:
    """The state of a run."""
    names = [row["event"] for row in events]
    if figures["has_nodes"]:
        names.append(Name.NODE_STARTED)
    return state_of(names, figures["last_at"], now)


def summary(told: Told, now: datetime) -> Run:
    """As in the API, but for `usual_ms`, which needs other runs."""
    events, figures = told.events, told.figures
    queued = first(events, Name.RUN_QUEUED) or first(events, Name.RUN_REJECTED)
    started = first(events, Name.RUN_STARTED)
    current = state(events, figures, now)
    end = end_of(events, current)
    said = attribute_of(events)
    queued_at = queued["timestamp"] if queued else None
    started_at = started["timestamp"] if started else None if queued_at else figures["first_at"]
    ended_at = over_at(end, current)
    if current is State.REJECTED:
        started_at = None
    return {
        "id": told.id,
        "state": str(current),
        "workflow_name": text(column(events, "workflow_name") or figures["workflow_name"]),
        "graph_hash": text(column(events, "graph_hash") or figures["graph_hash"]),
        "instance": text(column(events, "instance") or figures["instance"]),
        "service": text(service_of(events) or figures["service"]),
        "user_id": text(column(events, "user_id") or figures["user_id"]),
        "host": text(column(events, "host") or figures["host"]),
        "queued_at": moment(queued_at),
        "started_at": moment(started_at),
        "ended_at": moment(ended_at),
        "queue_ms": number(said(Name.RUN_STARTED, "queue_ms")) or between(queued_at, started_at),
        "duration_ms": duration(end, started_at, ended_at, current),
        "nodes": node_counts(figures, said),
        "vram_peak_mb": greatest(figures["vram_peak_mb"], said(Name.RUN_FINISHED, "vram_peak_mb")),
        "ram_peak_mb": greatest(figures["ram_used_mb"], said(Name.RUN_FINISHED, "ram_peak_mb")),
        "outputs": figures["outputs"],
        "error": error_of(events, end, current),
        "current": running_node(told.under_way) if current is State.RUNNING else None,
        "usual_ms": None,
        "replay_of": text(said(Name.RUN_QUEUED, "replay_of")),
    }


def first(events: Sequence[Row], name: str) -> Row | None:
    """The first event of that name."""
    return next((row for row in events if row["event"] == name), None)


def end_of(events: Sequence[Row], current: State) -> Row | None:
    """The event that ended it: of several witnesses the one that said most, then the first."""
    if current not in ENDED:
        return None
    ends = [row for row in events if row["event"] == RUN_ENDS[current]]
    return max(ends, key=lambda row: sum(value is not None for value in row.values()), default=None)


def column(events: Sequence[Row], name: str) -> Any:
    """The first value of a column; what we ourselves add comes last."""
    given = [row for row in events if row[name] is not None]
    given.sort(key=lambda row: row["service"] == OURSELVES)
    return given[0][name] if given else None


def service_of(events: Sequence[Row]) -> str | None:
    """The service that runs it."""
    return next((row["service"] for row in events if row["service"] not in {None, OURSELVES}), None)


def attribute_of(events: Sequence[Row]) -> Any:
    """A function that looks up an attribute, or a column, of the first event of a name that has it."""

    def look(name: str, key: str) -> Any:
        for row in events:
            if row["event"] == name:
                value = row.get(key) if row.get(key) is not None else row["attributes"].get(key)
                if value is not None:
                    return value
        return None

    return look


def over_at(end: Row | None, current: State) -> datetime | None:
    """When it ended. A lost run: when it was last heard of, as nobody may have been there to miss it for days."""
    if end is None:
        return None
    last_seen = time_of(text(end["attributes"].get("last_seen_at"))) if current is State.LOST else None
    return last_seen or end["timestamp"]


def duration(end: Row | None, started_at: datetime | None, ended_at: datetime | None, current: State) -> float | None:
    """How long the run ran. A duration beside a node is that node's, not the run's."""
    if end is None or current is State.REJECTED:
        return None
    own = number(end["duration_ms"]) if not end["node_id"] else None
    return next(
        (ms for ms in (own, number(end["attributes"].get("ran_ms"))) if ms is not None),
        between(started_at, ended_at),
    )


def node_counts(figures: Row, said: Any) -> dict[str, int | None]:
    """Each node once: one that failed or was blocked is not also finished, and one that finished was not cached."""
    failed = set(figures["failed"]) - {None}
    finished = set(figures["finished"]) - failed - set(figures["blocked"]) - {None}
    cached = set(figures["cached"]) - finished - failed - {None}
    total = number(said(Name.RUN_QUEUED, "node_count"))
    counts = {"finished": len(finished), "cached": len(cached)}
    if not figures["has_nodes"]:  # a witness from outside counts, and cannot name
        for name, key in (("finished", "executed"), ("cached", "cached")):
            counts[name] = int(number(said(Name.RUN_FINISHED, key)) or 0)
    return {"total": None if total is None else int(total), **counts, "failed": len(failed)}


def error_of(events: Sequence[Row], end: Row | None, current: State) -> dict[str, Any] | None:
    """Why it went wrong."""
    if current not in {State.FAILED, State.REJECTED, State.LOST} or end is None:
        return None
    return {
        "type": end["error_type"],
        "message": end["error_message"] or end["message"],
        "group": end["error_group"],
        "node": end["node"],
        "node_id": end["node_id"],
    }


def running_node(under_way: Sequence[Row]) -> dict[str, Any] | None:
    """The node that began last, with its progress."""
    if not under_way:
        return None
    row = under_way[0]
    progress = attributes({"attributes": row["progress"]})
    return {
        "node": row["node"],
        "node_id": row["node_id"],
        "since": moment(row["since"]),
        "value": number(progress.get("value")),
        "max": number(progress.get("max")),
    }
