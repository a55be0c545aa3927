"""Failures by their `error_group`: which there were, when, how often, and whether they were there before.

A run that fails in a node is told of several times, as `node_failed`, as `run_failed`, and by a line of its log: of the
three, the most frequent one counts. What Safelight says about its own alerting is no failure of what it watches.
"""

# ruff: noqa: S608 - the text is of our own constants; every value is bound

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ..event import OURSELVES, Name
from . import dialect
from .sql import Sql

BARS: Final = 30
"""Of a sparkline."""
MOST_GROUPS: Final = 1_000
"""Groups of one span, those that failed most often."""
MOST_RECENT: Final = 20
MOST_ALERTS: Final = 10
QUIET: Final = timedelta(days=7)
"""A group that comes again after so long without a failure is back."""

_ALERTING: Final = (Name.ALERT_FIRED, Name.ALERT_RESOLVED, Name.NOTIFICATION_SENT, Name.NOTIFICATION_FAILED)
_FAILURES: Final = (
    f'"error_group" IS NOT NULL AND NOT coalesce("service" = {dialect.string(OURSELVES)} AND "event" IN '
    f"({', '.join(map(dialect.string, _ALERTING))}), FALSE)"
)
_TELLERS: Final = tuple(f'"event" = {dialect.string(name)}' for name in (Name.NODE_FAILED, Name.RUN_FAILED))
_ELSE: Final = f"NOT coalesce({' OR '.join(_TELLERS)}, FALSE)"
_OF_RUNS: Final = ", ".join(f'count(*) FILTER ("workflow_id" IS NOT NULL AND {told})' for told in (*_TELLERS, _ELSE))
COUNT: Final = f'count(*) FILTER ("workflow_id" IS NULL) + greatest({_OF_RUNS})'


def groups(service: str | None = None, node: str | None = None, group: str | None = None) -> Sql:
    """Rows of `group, count, runs, users, last_seen, error_type, message, traceback, frame, pack, services, instances`
    over the events of a span, the most frequent first; at most `MOST_GROUPS`."""
    wanted = _where(service, node, [group] if group is not None else None)
    said = 'coalesce("error_message", "message")'
    attribute = dialect.attribute(1, hinted=True)
    text = (
        'WITH who AS (SELECT "workflow_id" AS "run", min("user_id") AS "user" FROM "events" WHERE '
        f'"event" = {dialect.string(Name.RUN_QUEUED)} AND "workflow_id" IS NOT NULL GROUP BY 1), '
        f'failed AS (SELECT * FROM "events" WHERE {wanted.text}) '
        f'SELECT "error_group" AS "group", {COUNT} AS "count", '
        'count(DISTINCT "workflow_id") AS "runs", count(DISTINCT coalesce("user_id", "user")) AS "users", '
        'max("timestamp") AS "last_seen", '
        f'{dialect.latest(dialect.name("error_type"))} AS "error_type", {dialect.latest(said)} AS "message", '
        f'{dialect.latest(dialect.name("traceback"))} AS "traceback", '
        f'{dialect.latest(attribute)} AS "frame", {dialect.latest(attribute)} AS "pack", '
        'list(DISTINCT "service") FILTER ("service" IS NOT NULL) AS "services", '
        'list(DISTINCT "instance") FILTER ("instance" IS NOT NULL) AS "instances" '
        'FROM failed LEFT JOIN who ON "workflow_id" = "run" '
        f'GROUP BY 1 ORDER BY "count" DESC, "last_seen" DESC, 1 LIMIT {MOST_GROUPS}'
    )
    hints = ('"frame"', "/frame", '"node_pack"', "/node_pack")
    return Sql(text, (*wanted.parameters, *hints))


def over_time(
    shown: Sequence[str], start: datetime, end: datetime, service: str | None = None, node: str | None = None
) -> Sql:
    """Rows of `group, bar, node, count` of these groups; `bar` is 0 to `BARS` - 1 of the time from `start` to `end`."""
    wanted = _where(service, node, shown)
    width = max(1, -(-((end - start) // timedelta(microseconds=1)) // BARS))
    text = (
        f'SELECT "error_group" AS "group", least(greatest((epoch_us("timestamp") - epoch_us(CAST(? AS TIMESTAMPTZ))) '
        f'// {width}, 0), {BARS - 1}) AS "bar", "node", {COUNT} AS "count" '
        f'FROM "events" WHERE {wanted.text} GROUP BY ALL'
    )
    return Sql(text, (start, *wanted.parameters))


def history(shown: Sequence[str], start: datetime) -> Sql:
    """Rows of `group, first_seen, quiet_us` over all events up to the end of a span that begins at `start`.

    `quiet_us`: the longest time without a failure of the group that ended within the span; null when none did. It is
    measured between days, then between the last failure of one and the first of the next.
    """
    wanted = _where(None, None, shown)
    text = (
        'WITH days AS (SELECT "error_group" AS "group", epoch_us("timestamp") // 86400000000 AS "day", '
        f'min("timestamp") AS "first", max("timestamp") AS "last" FROM "events" WHERE {wanted.text} GROUP BY 1, 2), '
        'gaps AS (SELECT "group", "first", "last", '
        'epoch_us("first") - epoch_us(lag("last") OVER (PARTITION BY "group" ORDER BY "day")) AS "gap" FROM days) '
        'SELECT "group", min("first") AS "first_seen", max("gap") FILTER ("last" >= ?) AS "quiet_us" '
        "FROM gaps GROUP BY 1"
    )
    return Sql(text, (*wanted.parameters, start))


def of_group(group: str) -> Sql:
    """The condition on one event to be a failure of this group."""
    return Sql(f'{_FAILURES} AND "error_group" = ?', (group,))


def alerts_about(group: str) -> Sql:
    """The condition on one event to tell of an alert whose labels name this group."""
    return Sql(
        f'"service" = {dialect.string(OURSELVES)} AND "event" IN ({dialect.string(Name.ALERT_FIRED)}, '
        f"{dialect.string(Name.ALERT_RESOLVED)}) AND {dialect.attribute(1, hinted=False)} = ?",
        ("/labels/error_group", group),
    )


def _where(service: str | None, node: str | None, shown: Sequence[str] | None) -> Sql:
    conditions, values = [_FAILURES], []
    for name, value in (("service", service), ("node", node)):
        if value is not None:
            conditions.append(f"{dialect.name(name)} = ?")
            values.append(value)
    if shown is not None:
        conditions.append(f'"error_group" IN ({", ".join("?" * len(shown))})' if shown else "FALSE")
        values += shown
    return Sql(" AND ".join(conditions), tuple(values))
