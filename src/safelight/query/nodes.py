"""Where the time goes: per node how often, how long, and its share of all: `/nodes`, `safelight top nodes`."""

from __future__ import annotations

from datetime import datetime

from . import dialect
from .ast import All, Filter
from .predicate import where
from .sql import Sql

# An event that names a node and a duration is one execution of it, whatever the service calls the event; but the time
# of a whole run, or of loading a model, is not the time of the node that it names.
_OF_OTHERS = "('run_finished', 'run_failed', 'run_interrupted', 'run_lost', 'model_loaded')"
_COLUMNS = (
    'SELECT "node", count(*) FILTER (recent) AS "count", avg("duration_ms") FILTER (recent) AS "avg_ms"',
    f', {dialect.quantile(dialect.name("duration_ms"), "0.95")} FILTER (recent) AS "p95_ms"',
    ', coalesce(sum("duration_ms") FILTER (recent) / nullif(sum(sum("duration_ms") FILTER (recent)) OVER (), 0), 0)',
    'AS "share"',
)
_USUAL = ', avg("duration_ms") FILTER (NOT recent) AS "usual_ms"'


def nodes(
    start: datetime, end: datetime, now: datetime, condition: Filter | None = None, against: datetime | None = None
) -> Sql:
    """Rows of `node, count, avg_ms, p95_ms, share` over `start <= timestamp < end`, the greatest share first.

    With `against`, also `usual_ms` and `ratio`: the mean of the time from there to `start`, and how many times that
    `avg_ms` is; null for a node that did not run then. The span to look at then begins at `against`.
    """
    filtered = where(condition or All(), now)
    events = (
        'FROM (SELECT "node", "duration_ms", "timestamp" >= ? AS recent FROM "events"',
        'WHERE "timestamp" >= ? AND "timestamp" < ? AND "node" IS NOT NULL AND "duration_ms" IS NOT NULL',
        f"AND coalesce(event, '') NOT IN {_OF_OTHERS}",
        f"AND {filtered.text}) GROUP BY 1 HAVING count(*) FILTER (recent) > 0",
    )
    rows = " ".join((*_COLUMNS, *(() if against is None else (_USUAL,)), *events))
    ratio = "" if against is None else ', "avg_ms" / nullif("usual_ms", 0) AS "ratio"'
    order = 'ORDER BY "share" DESC, "node"'
    return Sql(f"SELECT *{ratio} FROM ({rows}) {order}", (start, against or start, end, *filtered.parameters))  # noqa: S608
