"""Finding events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa

from .. import rows
from ..errors import QueryError
from ..query.ast import Query
from ..query.compile import select_stats, where
from ..query.facets import facets as facet_counts
from ..query.histogram import histogram as bucket_counts
from ..query.sql import Span, Sql
from ..store import Cursor, Store
from .asked import Asked

MOST_ROWS: Final = 10_000
"""Events on one page."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def search(
    store: Store, q: str, start: str | None = None, end: str | None = None, *, limit: int, cursor: str | None = None
) -> dict[str, Any]:
    """Events newest first, `{"events", "cursor", "took_ms"}`; of a statistic `{"columns", "rows", "took_ms"}`."""
    asked = Asked.of(q, start, end)
    query = asked.query
    if query.stats is not None:
        table = store.run(select_stats(query, asked.now), asked.span, containing=asked.containing)
        return {"columns": table.column_names, "rows": rows.plain(table), "took_ms": asked.took_ms()}
    limit = min(limit, MOST_ROWS, query.limit or MOST_ROWS)
    table = store.newest(asked.where, asked.span, limit=limit, before=_read_cursor(cursor), containing=asked.containing)
    more = table.num_rows == limit and query.limit is None
    return {
        "events": rows.events(table),
        "cursor": _write_cursor(table) if more else None,
        "took_ms": asked.took_ms(),
    }


def histogram(store: Store, q: str, start: str | None, end: str | None, *, buckets: int) -> dict[str, Any]:
    """How many events of each level in each of about `buckets` equal steps of time; every step is present."""
    asked = Asked.of(q, start, end)
    first, last = _ends(store, asked)
    counted = bucket_counts(asked.query.filter, first, last, asked.now, buckets)
    span = replace(asked.span, start=first, end=last)
    found = counted.buckets(store.run(counted.sql, span, containing=asked.containing).to_pylist())
    return {
        "from": rows.iso(first),
        "to": rows.iso(last),
        "step_ms": counted.step_ms,
        "buckets": [{"at": rows.iso(bucket.at), "counts": bucket.counts} for bucket in found],
        "total": sum(sum(bucket.counts.values()) for bucket in found),
        "took_ms": asked.took_ms(),
    }


def facets(
    store: Store, q: str, start: str | None, end: str | None, *, fields: list[str], limit: int
) -> dict[str, Any]:
    """The most frequent values of each field among the events that match."""
    asked = Asked.of(q, start, end)
    first, last = _ends(store, asked)
    counted = facet_counts(asked.query.filter, fields, first, last, asked.now, limit)
    span = replace(asked.span, start=first, end=last)
    found = counted.facets(store.run(counted.sql, span, containing=asked.containing).to_pylist())
    shown = [
        {
            "field": facet.field,
            "values": [{"value": value, "count": count} for value, count in facet.values],
            "missing": facet.missing,
        }
        for facet in found
    ]
    return {"facets": shown, "took_ms": asked.took_ms()}


def one(store: Store, event_id: str) -> dict[str, Any] | None:
    """The event with this id."""
    found = rows.events(_by_id(store, event_id))
    return found[0] if found else None


def context(store: Store, event_id: str, lines: int) -> dict[str, Any] | None:
    """Up to `lines` events of the same source before and after one, oldest first; None when there is no such event."""
    table = _by_id(store, event_id)
    if not table.num_rows:
        return None
    row = table.slice(0, 1).to_pylist()[0]
    same = Sql("source IS NOT DISTINCT FROM ? AND instance IS NOT DISTINCT FROM ?", (row["source"], row["instance"]))
    before = store.newest(same, Span(upto_seq=row["seq"] - 1), limit=lines)
    after = store.oldest(same, Span(after_seq=row["seq"]), limit=lines)
    return {
        "before": rows.events(before)[::-1],
        "event": rows.events(table)[0],
        "after": rows.events(after),
    }


def since(store: Store, query: Query, after_seq: int, upto_seq: int, most: int) -> tuple[list[dict[str, Any]], int]:
    """The newest `most` matching events of a stretch of commits, oldest first, and how many more there were."""
    now = datetime.now().astimezone()
    condition, span = where(query.filter, now), Span(after_seq=after_seq, upto_seq=upto_seq)
    table = store.newest(condition, span, limit=most)
    dropped = 0
    if table.num_rows == most:
        counted = store.run(Sql(f"SELECT count(*) FROM events WHERE {condition.text}", condition.parameters), span)  # noqa: S608 - compiled, values apart
        dropped = counted.column(0)[0].as_py() - most
    return rows.events(table)[::-1], dropped


def _by_id(store: Store, event_id: str) -> pa.Table:
    return store.newest(Sql("id = ?", (event_id,)), limit=1)


def _ends(store: Store, asked: Asked) -> tuple[datetime, datetime]:
    """Counting needs both ends of the time: where the events begin, and now (or later, if an event is)."""
    figures = store.figures()
    now = asked.now.astimezone(UTC)
    end = asked.span.end or max(now, figures.newest or now) + _MICROSECOND
    start = asked.span.start or min(figures.oldest or now - timedelta(hours=1), end - _MICROSECOND)
    return start, end


def _write_cursor(table: pa.Table) -> str:
    last = table.slice(table.num_rows - 1, 1)
    at = last.column("timestamp")[0].as_py()
    return f"{(at - _EPOCH) // _MICROSECOND}.{last.column('seq')[0].as_py()}"


def _read_cursor(text: str | None) -> Cursor | None:
    if not text:
        return None
    at, _, seq = text.partition(".")
    try:
        return Cursor(_EPOCH + int(at) * _MICROSECOND, int(seq))
    except (ValueError, OverflowError) as error:
        raise QueryError("web.bad_cursor", query=text, position=0) from error
