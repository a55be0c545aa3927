"""The facts of one alert, line by line: what, where, since when and how often, what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from ...locales import text
from ..alert import Alert
from .figures import size, span
from .headline import counts_events, counts_runs, headline, is_match, what
from .safe import LINE_MAX, TITLE_MAX, clock, cut, ending, one_line, shown

TRACEBACK_LINES: Final = 6
"""The last ones: Python prints the error at the end."""
WHAT_LINES: Final = 6
"""Of an error message; torch's say how much memory was asked for in the second."""

_WHERE: Final = ("service", "instance", "host", "node", "node_id", "workflow_id", "user_id")
_WHERE_WITHOUT_NODE: Final = ("node_function", "node_pack")
"""Attributes that say where it was when no node is known."""
_MEMORY: Final = ("vram_used_mb", "vram_peak_mb", "ram_used_mb")
_WRONG: Final = frozenset({"ERROR", "CRITICAL"})
_RULER: Final = re.compile(r"[\s^~]*")
"""What Python underlines in the line above, and blank lines."""


def newest(alert: Alert) -> Mapping[str, Any]:
    """The last example of it; nothing for a condition that no event made true."""
    return alert.events[-1] if alert.events else {}


def happened(alert: Alert, language: str) -> Iterator[str]:
    """What a match found, in the words of the log; of every other condition its figure, and an example of what went
    wrong."""
    event = newest(alert)
    said = what(event)
    if not is_match(alert):
        yield headline(alert, language)
        wrong = event.get("error_message") or event.get("level") in _WRONG
        said = text("alerts.example", language, what=said) if said and wrong else ""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    yield from (cut(line, LINE_MAX) for line in lines[:WHAT_LINES])


def where(alert: Alert, language: str) -> str | None:
    """Service, instance, host, node, run with the name of its workflow, user, as much of it as is known."""
    event = newest(alert)
    labels = alert.labels
    if alert.standing:  # one event says nothing about where the others were
        event = {}
    places: dict[str, Any] = {name: event.get(name) or labels.get(name) for name in _WHERE}
    attributes = event.get("attributes")
    if not places["node"] and isinstance(attributes, Mapping):
        places |= {name: attributes.get(name) for name in _WHERE_WITHOUT_NODE}
    if places["workflow_id"] and event.get("workflow_name"):
        run = f"{event['workflow_name']} ({places['workflow_id']})"
        places["workflow_id"] = run
    told = [
        text(f"alerts.place.{name}", language, value=cut(one_line(shown(value)), TITLE_MAX))
        for name, value in places.items()
        if value
    ]
    return text("alerts.where", language, where=text("alerts.place.separator", language).join(told)) if told else None


def times(alert: Alert, language: str, zone: tzinfo) -> Iterator[str]:
    """Since when, and how often. What is measured says of how many events."""
    since = clock(alert.started_at, zone)
    if alert.standing or counts_runs(alert):
        yield text("alerts.since", language, since=since)
        if alert.count > 1 or counts_events(alert):
            yield text("alerts.counted", language, count=f"{alert.count:,}")
    elif alert.count > 1:
        yield text("alerts.times", language, count=f"{alert.count:,}", since=since, last=clock(alert.last_at, zone))
    else:
        yield text("alerts.since", language, since=since)


def measured(alert: Alert, language: str) -> Iterator[str]:
    """The memory at that moment, who else held it, how long it took."""
    event = {} if alert.standing else newest(alert)
    figures = [
        text(f"alerts.memory.{name}", language, value=size(event[name]))
        for name in _MEMORY
        if isinstance(event.get(name), int | float)
    ]
    figures += _ledger(event.get("attributes"), language)
    if figures:
        yield text("alerts.memory", language, memory=text("alerts.place.separator", language).join(figures))
    if isinstance(event.get("duration_ms"), int | float):
        yield text("alerts.took", language, value=span(event["duration_ms"]))


def traceback(alert: Alert, said: Sequence[str] = ()) -> list[str]:
    """Its last lines, without those that were `said` before."""
    told = ending(newest(alert).get("traceback") or "")
    lines = [line.rstrip() for line in told.splitlines() if not _RULER.fullmatch(line)]
    lines = [line for line in lines if not line.startswith("Traceback (most recent")]
    while lines and lines[-1] in said:
        lines.pop()
    return [cut(line, LINE_MAX) for line in lines[-TRACEBACK_LINES:]]


def over(alerts: Sequence[Alert], language: str, zone: tzinfo) -> str:
    """What is left to say at the end: the reader has been told the rest."""
    since = clock(min(alert.started_at for alert in alerts), zone)
    if any(alert.standing for alert in alerts):  # its count is not of all that time
        until = clock(max(alert.ended_at or alert.last_at for alert in alerts), zone)
        return text("alerts.over.window", language, since=since, until=until)
    count = sum(alert.count for alert in alerts)
    if count == 1:
        return text("alerts.over.once", language, since=since)
    until = clock(max(alert.last_at for alert in alerts), zone)
    return text("alerts.over.times", language, count=f"{count:,}", since=since, until=until)


def _ledger(attributes: Any, language: str) -> Iterator[str]:
    """What the node pack measured when a node failed: what was free, and what other programs held."""
    memory = attributes.get("memory") if isinstance(attributes, Mapping) else None
    if not isinstance(memory, Mapping):
        return
    for name in ("device_total_mb", "device_free_mb", "others_mb"):
        value = memory.get(name)
        if isinstance(value, int | float) and (value or name != "others_mb"):
            yield text(f"alerts.memory.{name}", language, value=size(value))
