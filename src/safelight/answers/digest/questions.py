"""What the digest asks the store. A run counts once, however many witnesses told of it, by how it ended."""

# ruff: noqa: S608 - the text is of our own constants; every value is bound

from __future__ import annotations

from typing import Final

from ...event import OURSELVES, RUN_ENDED, Name
from ...query.sql import Sql

READINGS_APART_S: Final = 120.0
"""Readings of a card further apart say nothing of the time between them."""
_FAILURES: Final = (
    *(Name.NODE_FAILED, Name.RUN_FAILED, Name.RUN_REJECTED, Name.RUN_LOST),
    Name.PROCESSING_FAILED,
)


def counts() -> Sql:
    """One row: `done, failed, interrupted, lost` runs, `processed, not_processed` pictures, `outputs`, `users`."""
    ended = ", ".join("?" * len(RUN_ENDED))
    weighed = (Name.RUN_INTERRUPTED, Name.RUN_FAILED, Name.RUN_FINISHED)
    marks = ", ".join(f"bool_or(event = ?) AS m{place}" for place in range(len(weighed)))
    file = " || '/' || ".join(
        f"coalesce(json_extract_string(attributes, '/{name}'), '')" for name in ("type", "subfolder", "filename")
    )
    return Sql(
        f"WITH ends AS (SELECT workflow_id, {marks} FROM events WHERE event IN ({ended}) AND workflow_id IS NOT NULL"
        " GROUP BY 1) SELECT count(*) FILTER (m2 AND NOT m1 AND NOT m0) AS done,"
        " count(*) FILTER (m1 AND NOT m0) AS failed, count(*) FILTER (m0) AS interrupted,"
        " count(*) FILTER (NOT (m0 OR m1 OR m2)) AS lost,"
        " (SELECT count(*) FROM events WHERE event = ?) AS processed,"
        " (SELECT count(*) FROM events WHERE event = ?) AS not_processed,"
        f" (SELECT count(DISTINCT coalesce(workflow_id, '') || {file}) FROM events WHERE event = ?) AS outputs,"
        " (SELECT count(DISTINCT user_id) FROM events WHERE user_id IS NOT NULL) AS users FROM ends",
        (
            *map(str, weighed),
            *map(str, RUN_ENDED),
            str(Name.IMAGE_PROCESSED),
            str(Name.PROCESSING_FAILED),
            str(Name.OUTPUT_SAVED),
        ),
    )


def failures(most: int) -> Sql:
    """`error_group, node, message, count`: why it failed, most frequent first. A run counts once for each reason."""
    return Sql(
        "SELECT error_group, count(DISTINCT coalesce(workflow_id, id)) AS count, any_value(node) AS node,"
        " any_value(coalesce(error_message, message)) AS message FROM events"
        f" WHERE error_group IS NOT NULL AND service IS DISTINCT FROM ? AND (level IN ('ERROR', 'CRITICAL')"
        f" OR event IN ({', '.join('?' * len(_FAILURES))})) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {int(most)}",
        (OURSELVES, *map(str, _FAILURES)),
    )


def cards() -> Sql:
    """One row: `hours` that the cards were busy, each by its load; null when nobody measured it."""
    return Sql(
        "SELECT sum(load / 100.0 * least(greatest(gap, 0), ?)) / 3600 AS hours FROM ("
        " SELECT try_cast(json_extract_string(attributes, '/gpu/utilization_percent') AS DOUBLE) AS load,"
        " epoch(lead(timestamp) OVER (PARTITION BY host, json_extract_string(attributes, '/gpu/index')"
        " ORDER BY timestamp) - timestamp) AS gap FROM events WHERE event = ?"
        " AND json_extract_string(attributes, '/gpu/utilization_percent') IS NOT NULL) WHERE gap <= ?",
        (READINGS_APART_S, str(Name.RESOURCES_SAMPLED), READINGS_APART_S),
    )


def disks() -> Sql:
    """`host, disks`: the newest reading of every machine."""
    load = "json_extract_string(attributes, '/host_load/disks')"
    return Sql(
        f"SELECT host, arg_max({load}, timestamp) AS disks FROM events WHERE event = ? AND {load} IS NOT NULL"
        " GROUP BY 1 ORDER BY 1",
        (str(Name.RESOURCES_SAMPLED),),
    )


def alerts() -> Sql:
    """`rule, told, muted`: how many alerts fired that somebody was told of, and how many that nobody was.

    An event is about one `alert`, or about so many `alerts` of a storm. Rules that are only tried out do not count.
    """
    return Sql(
        "WITH fired AS (SELECT json_extract_string(attributes, '/rule') AS rule,"
        " coalesce(json_extract_string(attributes, '/alert'), id) AS alert,"
        " json_extract_string(attributes, '/muted') AS muted,"
        " coalesce(try_cast(json_extract_string(attributes, '/alerts') AS INTEGER), 1) AS many"
        " FROM events WHERE event = ? AND service = ?), each AS (SELECT rule, alert, max(many) AS many,"
        " bool_and(muted IS NOT NULL) AS muted FROM fired WHERE muted IS DISTINCT FROM 'shadow' GROUP BY 1, 2)"
        " SELECT rule, coalesce(sum(many) FILTER (NOT muted), 0)::BIGINT AS told,"
        " coalesce(sum(many) FILTER (muted), 0)::BIGINT AS muted"
        " FROM each WHERE rule IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1",
        (str(Name.ALERT_FIRED), OURSELVES),
    )
