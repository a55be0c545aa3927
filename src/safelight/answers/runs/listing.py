"""Which runs there were: a page of them, and how many of each kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ...errors import QueryError
from ...query import runs as query
from ...query.run_states import State
from ...query.sql import Span
from ...query.times import INSTANT, LATEST
from ...store import Store
from ..asked import Asked
from .reading import span_around
from .summary import AROUND, gather, summaries

MOST_RUNS: Final = 500
"""On one page."""
FROM: Final = "now-24h"
_LATER: Final = timedelta(days=1)
"""How long after the end of the span a run is still followed, so that it is not shown as running for ever."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def runs(
    store: Store,
    *,
    state: str | None = None,
    user: str | None = None,
    workflow: str | None = None,
    instance: str | None = None,
    q: str | None = None,
    start: str | None = FROM,
    end: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """Runs newest queued first, `{"runs", "cursor", "counts", "facets", "took_ms"}`.

    `counts` are of all states, whichever are asked for; a facet likewise counts all its values.
    """
    asked = Asked.of("*", start, end)
    limit = min(limit, MOST_RUNS)
    wanted = query.Wanted(_states(state), user, workflow, instance, q)
    last = asked.span.end or datetime.max.replace(tzinfo=UTC)
    span = Span(asked.span.start, None if last > LATEST - _LATER else last + _LATER)
    found = store.run(query.listing(wanted, last, asked.now, limit + 1, _read(cursor)), span).to_pylist()
    page = sorted((row for row in found if row["kind"] == "page"), key=lambda row: (row["first_at"], row["value"]))[
        ::-1
    ]
    shown = page[:limit]
    listed: list[dict[str, Any]] = []
    if shown:
        unseen = [row["first_at"] for row in shown if not row["count"]]
        whole = span_around(
            shown[-1]["first_at"], max(row["last_at"] for row in shown), AROUND if unseen else timedelta()
        )
        told = gather(store, [row["value"] for row in shown], whole, asked.now)
        listed = summaries(store, told, asked.now)
    return {
        "runs": listed,
        "cursor": _write(shown[-1]) if len(page) > limit else None,
        "counts": {row["value"]: row["count"] for row in found if row["kind"] == "state"},
        "facets": {
            name: [{"value": row["value"], "count": row["count"]} for row in found if row["kind"] == name]
            for name in query.FACETS
        },
        "took_ms": asked.took_ms(),
    }


def _states(written: str | None) -> tuple[str, ...]:
    states = tuple(part.strip() for part in (written or "").split(",") if part.strip())
    for each in states:
        if each not in set(State):
            raise QueryError("runs.no_such_state", query=written or "", position=0, found=each, known=", ".join(State))
    return states


def _write(row: dict[str, Any]) -> str:
    return f"{(row['first_at'] - _EPOCH) // INSTANT}.{row['value']}"


def _read(written: str | None) -> tuple[datetime, str] | None:
    if not written:
        return None
    at, _, run_id = written.partition(".")
    try:
        return _EPOCH + int(at) * INSTANT, run_id
    except (ValueError, OverflowError) as error:
        raise QueryError("web.bad_cursor", query=written, position=0) from error
