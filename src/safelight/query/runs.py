"""Runs out of events: which there are, what was told of some of them, how long their like usually take.

Whatever carries a `workflow_id` belongs to the run of that id. Two witnesses may tell the same twice, so nodes and
files are counted by what they are (`count(DISTINCT ...)`), never by how many events speak of them.
"""

# ruff: noqa: S608 - the text is of our own constants; every value is bound

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ..event import OURSELVES, Name
from . import dialect
from .run_states import OF_RUNS, QUEUED_MARKS, marks, state_sql
from .sql import Sql

FACETS: Final = ("instance", "user", "workflow")
MOST_VALUES: Final = 50
"""Of each facet."""

_COLUMNS: Final = (
    "workflow_id",
    "timestamp",
    "event",
    "level",
    "message",
    "service",
    "instance",
    "host",
    "user_id",
    "workflow_name",
    "graph_hash",
    "node",
    "node_id",
    "duration_ms",
    "vram_used_mb",
    "vram_peak_mb",
    "ram_used_mb",
    "error_type",
    "error_message",
    "error_group",
    "traceback",
    "attributes",
)
_WHOLE: Final = ", ".join(map(dialect.name, _COLUMNS))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs a list is about. Empty is any."""

    states: tuple[str, ...] = ()
    user: str | None = None
    workflow: str | None = None
    """Its name, or its `graph_hash`."""
    instance: str | None = None
    part: str | None = None
    """Of its id, or of its name in any case."""


def names(events: Iterable[str]) -> str:
    """A list of event names as SQL."""
    return f"({', '.join(map(dialect.string, events))})"


def listing(
    wanted: Wanted, end: datetime, now: datetime, limit: int, before: tuple[datetime, str] | None = None
) -> Sql:
    """Rows of `kind, value, first_at, last_at, count` over the events of a span, in one pass.

    `page`      a run, its first and last time, newest first, at most `limit`, after the cursor `before`;
                `count` is 0 when the span does not hold how it was queued
    `state`     how many runs are in a state, whatever states are wanted
    a facet     how many runs have that value, whatever value of it is wanted

    A run belongs to the span when anything in it was told of it and it began before `end`.
    """
    runs = (
        f'SELECT "workflow_id" AS id, min("timestamp") AS first_at, max("timestamp") AS last_at, {marks()} AS marks, '
        'min("instance") AS instance, min("user_id") AS "user", min("graph_hash") AS graph_hash, '
        'coalesce(min("workflow_name"), min("graph_hash")) AS workflow, min("workflow_name") AS name FROM "events" '
        'WHERE "workflow_id" IS NOT NULL GROUP BY 1 HAVING min("timestamp") < ?'
    )
    state = state_sql("marks", "last_at", now)
    tests = _tests(wanted)
    marked = ", ".join(f"{test.text} AS ok_{name}" for name, test in tests.items())
    values: list[object] = [end, *state.parameters]
    for test in tests.values():
        values += test.parameters
    others = {name: " AND ".join(f"ok_{each}" for each in tests if each != name) for name in ("", *tests)}
    page = (
        f"SELECT 'page' AS kind, id AS value, first_at, last_at, marks & {QUEUED_MARKS} AS count "
        f"FROM seen WHERE {others['']}"
    )
    if before is not None:
        page += " AND (first_at < ? OR (first_at = ? AND id < ?))"
        values += [before[0], before[0], before[1]]
    pieces = [
        f"({page} ORDER BY first_at DESC, id DESC LIMIT {int(limit)})",
        f"SELECT 'state', state, NULL, NULL, count(*) FROM seen WHERE {others['state']} GROUP BY 2",
    ]
    for name in FACETS:
        field = dialect.name(name)
        pieces.append(
            f"(SELECT '{name}', {field}, NULL, NULL, count(*) FROM seen WHERE {others[name]} AND {field} IS NOT NULL "
            f"GROUP BY 2 ORDER BY 5 DESC, 2 LIMIT {MOST_VALUES})"
        )
    text = (
        f"WITH runs AS ({runs}), stated AS (SELECT *, {state.text} AS state FROM runs), "
        f"seen AS MATERIALIZED (SELECT *, {marked} FROM stated) {' UNION ALL '.join(pieces)}"
    )
    return Sql(text, tuple(values))


def _tests(wanted: Wanted) -> dict[str, Sql]:
    """A condition for each thing that can be wanted of a run."""
    states = ", ".join("?" for _ in wanted.states)
    part = wanted.part or ""
    return {
        "state": Sql(f"(state IN ({states}))", wanted.states) if wanted.states else dialect.TRUE,
        "user": _equals('coalesce("user" = ?, FALSE)', wanted.user),
        "workflow": _equals("(coalesce(name = ?, FALSE) OR coalesce(graph_hash = ?, FALSE))", wanted.workflow),
        "instance": _equals("coalesce(instance = ?, FALSE)", wanted.instance),
        "part": Sql("(contains(id, ?) OR coalesce(contains(lower(name), lower(?)), FALSE))", (part, part))
        if part
        else dialect.TRUE,
    }


def _equals(text: str, value: str | None) -> Sql:
    return Sql(text, (value,) * text.count("?")) if value else dialect.TRUE


def told(ids: Sequence[str]) -> Sql:
    """The events about these runs as a whole, in the order of time; only the first where there are absurdly many."""
    return Sql(
        f'SELECT {_WHOLE} FROM "events" WHERE {_among(ids)} AND "event" IN {names(OF_RUNS)} '
        f'ORDER BY "timestamp", seq LIMIT {len(ids) * 100 + 1_000}',
        tuple(ids),
    )


def figures(ids: Sequence[str]) -> Sql:
    """What each of these runs adds up to: `finished`, `cached`, `failed`, `blocked` nodes, `outputs`, peaks of memory,
    times (`moved_at`: when something last happened in it, which a reading of memory is not).

    Nodes that a node expanded into (`5.0.0.1`) are part of that node: a prompt has no such ids.
    """
    of_prompt = 'CASE WHEN NOT contains("node_id", \'.\') THEN "node_id" END'
    file = " || '/' || ".join(
        f"coalesce(json_extract_string(\"attributes\", '/{name}'), '')" for name in ("type", "subfolder", "filename")
    )
    saved = f"CASE WHEN \"event\" = '{Name.OUTPUT_SAVED}' THEN {file} END"

    def nodes(*events: Name) -> str:
        return f'coalesce(list(DISTINCT {of_prompt}) FILTER ("event" IN {names(events)}), [])'

    return Sql(
        f'SELECT "workflow_id" AS id, min("timestamp") AS first_at, max("timestamp") AS last_at, '
        f"{nodes(Name.NODE_FINISHED)} AS finished, {nodes(Name.NODE_CACHED)} AS cached, "
        f"{nodes(Name.NODE_FAILED)} AS failed, {nodes(Name.NODE_BLOCKED)} AS blocked, "
        f"count(DISTINCT {saved}) AS outputs, "
        f'max("timestamp") FILTER ("event" NOT IN {names((Name.RUN_STUCK, Name.RESOURCES_SAMPLED))}) AS moved_at, '
        'greatest(max("vram_peak_mb"), max("vram_used_mb")) AS vram_peak_mb, max("ram_used_mb") AS ram_used_mb, '
        "bool_or(starts_with(\"event\", 'node_')) AS has_nodes, "
        f'min("service") FILTER ("service" <> \'{OURSELVES}\') AS service, '
        'min("instance") AS instance, min("host") AS host, min("user_id") AS user_id, '
        'min("workflow_name") AS workflow_name, min("graph_hash") AS graph_hash '
        f'FROM "events" WHERE {_among(ids)} GROUP BY 1',
        tuple(ids),
    )


def under_way(ids: Sequence[str]) -> Sql:
    """The nodes of these runs that began and did not end, the latest first, with the newest progress of each."""
    over = names((Name.NODE_FINISHED, Name.NODE_FAILED, Name.NODE_CACHED, Name.NODE_BLOCKED))
    started = f"\"event\" = '{Name.NODE_STARTED}'"
    return Sql(
        'SELECT "workflow_id" AS id, "node_id", max("node") AS node, '
        f'min("timestamp") FILTER ({started}) AS since, max("timestamp") FILTER ({started}) AS latest, '
        f'arg_max("attributes", "timestamp") FILTER ("event" = \'{Name.NODE_PROGRESS}\') AS progress '
        f'FROM "events" WHERE {_among(ids)} AND "node_id" IS NOT NULL GROUP BY 1, 2 '
        f'HAVING count(*) FILTER ("event" IN {over}) = 0 AND since IS NOT NULL ORDER BY latest DESC',
        tuple(ids),
    )


def usual(wanted: Sequence[tuple[str, str, datetime]], most: int) -> Sql:
    """For each wanted run (id, graph hash, when it was queued): `id, ms, count, ids, first_at, end_at` of the last
    `most` runs of its graph that were queued before it and finished. `ms` is their median; no row where there are none.

    Finds the runs by their graph first, and only then how long they took: graphs are few, and cheap to look for.
    """
    hashes = sorted({graph for _, graph, _ in wanted})
    rows = ", ".join("(?, ?, ?::TIMESTAMPTZ)" for _ in wanted)
    values: list[object] = [*hashes]
    for one in wanted:
        values += one
    return Sql(
        'WITH queued AS MATERIALIZED (SELECT "workflow_id" AS id, min("graph_hash") AS graph_hash, '
        'min("timestamp") AS first_at '
        f'FROM "events" WHERE "graph_hash" IN ({_marks(hashes)}) '
        f'AND "event" IN {names((Name.RUN_QUEUED, Name.RUN_FINISHED))} AND "workflow_id" IS NOT NULL GROUP BY 1), '
        'ended AS (SELECT "workflow_id" AS id, max("duration_ms") AS ms, max("timestamp") AS end_at FROM "events" '
        f'WHERE "event" = \'{Name.RUN_FINISHED}\' AND "duration_ms" IS NOT NULL '
        'AND "workflow_id" IN (SELECT id FROM queued) GROUP BY 1), '
        "done AS MATERIALIZED (SELECT *, row_number() OVER (PARTITION BY graph_hash ORDER BY first_at, id) AS place "
        "FROM queued JOIN ended USING (id)), "
        f"wanted(id, graph_hash, first_at) AS (VALUES {rows}), "
        "nearest AS (SELECT wanted.id, wanted.graph_hash, done.place FROM wanted ASOF JOIN done "
        "ON wanted.graph_hash = done.graph_hash AND wanted.first_at > done.first_at) "
        "SELECT nearest.id, median(ms) AS ms, count(*) AS count, list(done.id) AS ids, min(first_at) AS first_at, "
        "max(end_at) AS end_at FROM nearest JOIN done ON done.graph_hash = nearest.graph_hash "
        f"AND done.place > nearest.place - {int(most)} AND done.place <= nearest.place GROUP BY 1",
        tuple(values),
    )


def usual_nodes(ids: Sequence[str]) -> Sql:
    """The median `ms` of each class of node in these runs."""
    return Sql(
        f'SELECT "node", median("duration_ms") AS ms FROM "events" WHERE {_among(ids)} '
        f'AND "event" = \'{Name.NODE_FINISHED}\' AND "node" IS NOT NULL GROUP BY 1',
        tuple(ids),
    )


def events_of(run_id: str, most: int, most_alike: int) -> Sql:
    """Everything about one run but its log lines, in the order of time.

    Of what repeats itself, readings and a node's progress, at most `most_alike` of a kind, evenly chosen, the last
    among them. Beyond `most` in all, what is about the run as a whole is not what is left out.
    """
    thinned = names((Name.RESOURCES_SAMPLED, Name.NODE_PROGRESS))
    alike = 'PARTITION BY "event", "node_id"'
    numbered = (
        f'SELECT seq, {_WHOLE}, row_number() OVER ({alike} ORDER BY "timestamp", seq) AS place, '
        f'count(*) OVER ({alike}) AS alike_count FROM "events" '
        f'WHERE "workflow_id" = ? AND "event" <> \'{Name.LOG}\''
    )
    chosen = (
        f'SELECT * FROM ({numbered}) WHERE "event" NOT IN {thinned} OR place = alike_count '
        f"OR place % greatest(1, ceil(alike_count / {int(most_alike)}.0)::BIGINT) = 0 "
        f'ORDER BY "event" IN {names(OF_RUNS)} DESC, "timestamp", seq LIMIT {int(most)}'
    )
    return Sql(f'SELECT {_WHOLE} FROM ({chosen}) ORDER BY "timestamp", seq', (run_id,))


def saved(run_id: str, most: int) -> Sql:
    """The files of a run, as its events tell of them, in the order of time; the first where there are absurdly many."""
    return Sql(
        f'SELECT {_WHOLE} FROM "events" WHERE "workflow_id" = ? AND "event" = \'{Name.OUTPUT_SAVED}\' '
        f'ORDER BY "timestamp", seq LIMIT {int(most)}',
        (run_id,),
    )


def beginning_with(prefix: str, most: int) -> Sql:
    """The ids of runs that begin so."""
    return Sql(
        'SELECT DISTINCT "workflow_id" AS id FROM "events" WHERE starts_with("workflow_id", ?) '
        f"ORDER BY 1 LIMIT {int(most)}",
        (prefix,),
    )


def _among(ids: Sequence[str]) -> str:
    return f'"workflow_id" IN ({_marks(ids)})'


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" for _ in values) or "NULL"
