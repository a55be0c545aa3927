"""What the events add up to."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from .. import rows
from ..event import OURSELVES
from ..query.nodes import nodes as nodes_sql
from ..query.sql import Span, Sql
from ..query.times import EARLIEST, LATEST, instant
from ..store import Store
from .asked import Asked

_BY_INSTANCE: Final = """
SELECT instance, service,
       count(*) AS events,
       count(*) FILTER (level IN ('ERROR', 'CRITICAL')) AS errors,
       count(*) FILTER (level = 'WARNING') AS warnings,
       count(*) FILTER (event = 'run_finished') AS finished,
       count(*) FILTER (event IN ('run_failed', 'run_lost')) AS failed,
       count(*) FILTER (event = 'run_interrupted') AS interrupted,
       count(*) FILTER (event = 'image_processed') AS processed,
       count(*) FILTER (event = 'processing_failed') AS not_processed,
       count(*) FILTER (event = 'output_saved') AS saved,
       count(*) FILTER (event = 'prompt_ended') AS prompts,
       count(*) FILTER (event = 'node_failed') AS failed_nodes,
       max(timestamp) AS last_event_at
  FROM events
 WHERE service IS DISTINCT FROM ?
 GROUP BY instance, service
 ORDER BY events DESC, instance, service
"""
"""Our own events are left out: "nothing has arrived yet" must stay visible."""


def overview(store: Store, start: str | None, end: str | None) -> dict[str, Any]:
    """Counts of a span of time, and one row an instance.

    Runs are counted where they end. An instance known by its console alone tells of no runs: there, ended prompts
    count, and of those the ones in which a node failed.
    """
    asked = Asked.of("*", start, end)
    table = store.run(Sql(_BY_INSTANCE, (OURSELVES,)), asked.span)
    total: Counter[str] = Counter()
    instances = []
    for row in rows.plain(table):
        total.update({name: value for name, value in row.items() if isinstance(value, int)})
        if not row["finished"] + row["failed"] + row["interrupted"]:
            total["failed"] += min(row["failed_nodes"], row["prompts"])
            total["finished"] += max(0, row["prompts"] - row["failed_nodes"])
        instances.append({name: row[name] for name in ("instance", "service", "events", "errors", "last_event_at")})
    runs = {name: total[name] for name in ("finished", "failed", "interrupted")}
    bad = total["failed"] + total["not_processed"]
    ended = bad + total["finished"] + total["interrupted"] + total["processed"]
    return {
        **{name: total[name] for name in ("events", "errors", "warnings")},
        "runs": runs,
        "failure_ratio": bad / ended if ended else None,
        "images": total["processed"] + total["saved"],
        "instances": instances,
        "took_ms": asked.took_ms(),
    }


def nodes(
    store: Store, start: str | None, end: str | None, *, usual_from: str | None = None, limit: int = 50
) -> dict[str, Any]:
    """Node types by the time they took, `avg_ms` and `p95_ms` of their executions and their `share` of all the time.

    With `usual_from`, also `usual_ms`, the mean between then and `start`, and `ratio`, how many times that it is now.
    """
    asked = Asked.of("*", start, end)
    first = asked.span.start or EARLIEST
    last = asked.span.end or LATEST
    against = instant(usual_from, asked.now) if usual_from is not None else None
    table = store.run(nodes_sql(first, last, asked.now, against=against), Span(against or first, last))
    return {"nodes": rows.plain(table.slice(0, limit)), "took_ms": asked.took_ms()}
