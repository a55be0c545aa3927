"""What went on around it, from the store: the log lines before, and the memory over the minutes before.

One question for one message, of 0.3 s at most: it is asked while messages are being queued, and holds up all that are
to be sent. A store that cannot answer in time leaves both out.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final, cast

from ...errors import SafelightError
from ...event import Name
from ...query.sql import Span, Sql
from ...store import Store
from ..alert import Alert
from .curve import chart, gauge
from .facts import newest
from .figures import span
from .headline import watched
from .safe import LINE_MAX, cut, one_line, shown

LINES: Final = 5
BEFORE: Final = timedelta(minutes=10)
TIMEOUT_S: Final = 0.3
READINGS_MAX: Final = 1_500
"""A run tells of its memory once a second: more than 10 minutes of it, and of a card beside."""
_NOISE: Final = (Name.RESOURCES_SAMPLED, Name.NODE_PROGRESS, Name.RUN_DOCUMENT)
_COLUMNS: Final = (
    *("timestamp", "seq", "level", "event", "message", "error_message", "node", "duration_ms"),
    *("workflow_id", "vram_used_mb", "ram_used_mb"),
)
_SHOUTED: Final = frozenset({"WARNING", "ERROR", "CRITICAL"})
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Around:
    """What is known. `lines` are in the order of time."""

    lines: tuple[Row, ...] = ()
    chart: Mapping[str, Any] | None = None

    def told(self, zone: tzinfo) -> list[str]:
        """The lines as a message shows them: the time, the level where it matters, what was said."""
        return [_line(row, zone) for row in self.lines]


def around(store: Store | None, alert: Alert, key: str) -> Around:
    """What went on around the newest example of this alert. `key`: of the message; its channels ask but once."""
    event = newest(alert)
    if store is None or not event.get("timestamp"):
        return Around()
    with suppress(ValueError):
        at = datetime.fromisoformat(str(event["timestamp"]))
        names = ("id", "workflow_id", "instance", "service", "host", "error_message")
        told = tuple(str(event.get(name) or alert.labels.get(name) or "") for name in names)
        return _asked(cast("Hashable", store), key, at, told, watched(alert), alert.labels.get("gpu"))
    return Around()


@lru_cache(maxsize=2)
def _asked(
    store: Hashable, key: str, at: datetime, told: tuple[str, ...], level: tuple[str, float] | None, card: str | None
) -> Around:
    """`key` belongs to what is remembered by: a later message about the same event is answered anew."""
    id_, run, instance, service, host, said = told
    error = said.partition("\n")[0]
    near, values = _near(run, instance, service, host)
    noise = ", ".join("?" * len(_NOISE))
    columns = ", ".join(_COLUMNS)
    sampled = "workflow_id = ? OR (workflow_id IS NULL AND host = ?)"
    question = Sql(
        f"(SELECT 'line' AS kind, {columns}, NULL AS attributes FROM events WHERE ({near})"  # noqa: S608 - constants
        f" AND timestamp <= ? AND coalesce(id, '') <> ? AND coalesce(event, '') NOT IN ({noise})"
        f" AND coalesce(level, '') <> 'DEBUG' ORDER BY timestamp DESC, seq DESC LIMIT {2 * LINES})"
        f" UNION ALL (SELECT 'reading', {columns}, attributes FROM events WHERE event = ? AND ({sampled})"
        f" ORDER BY timestamp DESC LIMIT {READINGS_MAX}) ORDER BY timestamp, seq",
        (*values, at, id_, *map(str, _NOISE), str(Name.RESOURCES_SAMPLED), run, host),
    )
    within = Span(at - BEFORE, at + timedelta(seconds=2))
    try:
        rows = cast("Store", store).run(question, within, timeout_s=TIMEOUT_S).to_pylist()
    except SafelightError:
        return Around()
    lines = tuple(_telling([row for row in rows if row["kind"] == "line"], error))[-LINES:]
    readings = list(_readings(rows))
    return Around(lines, gauge(readings, level[0], card, level[1], at) if level else chart(readings, run, at))


def _near(run: str, instance: str, service: str, host: str) -> tuple[str, tuple[str, ...]]:
    """Whose lines: the run's own and those of its process without a run; without one the instance's, or service's."""
    own, values = ("instance = ?", (instance,)) if instance else ("service = ? AND host = ?", (service, host))
    if not run:
        return (own, values) if instance or host else ("service = ?", (service,))
    return f"workflow_id = ? OR (workflow_id IS NULL AND {own})", (run, *values)


def _telling(rows: Sequence[Row], error: str) -> Iterator[Row]:
    """Not the error itself, which other witnesses tell as well, and nothing twice in a row."""
    before = error
    for row in rows:
        if (said := _said(row)) not in {before, error}:
            yield row
        before = said


def _readings(rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        if row["kind"] == "reading":
            with suppress(ValueError, TypeError):
                yield {**row, "attributes": json.loads(row["attributes"] or "{}")}


def _line(row: Row, zone: tzinfo) -> str:
    level = f"{row['level']} " if row["level"] in _SHOUTED else ""
    return cut(f"{row['timestamp'].astimezone(zone):%H:%M:%S} {level}{one_line(shown(_said(row)))}", LINE_MAX // 2)


def _said(row: Row) -> str:
    """The first line of it; of an event without words its name, its node, and how long that took."""
    words = str(row["error_message"] or row["message"] or "").strip()
    if words and words != row["event"]:
        return words.splitlines()[0]
    took = span(row["duration_ms"]) if row["duration_ms"] else None
    return " ".join(filter(None, (row["event"], row["node"], took)))
