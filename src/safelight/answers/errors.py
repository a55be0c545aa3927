"""What went wrong, by cause: `/errors`, `/errors/one`, `safelight top errors`.

A group is new when its first failure ever lies in the span, and back when it came again after a week of quiet.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .. import rows
from ..event import Name
from ..locales import ENGLISH
from ..query import errors as query
from ..query.sql import Span
from ..query.times import EARLIEST, INSTANT
from ..services import failures
from ..store import Store
from .asked import Asked
from .runs.reading import attributes, moment

FROM: Final = "now-7d"
UNKNOWN: Final = "unknown"
"""The family of failures that are no known ones, where a list is asked for by family."""
MOST_ERRORS: Final = 500
MOST_NODES: Final = 5
_RECENT: Final = ("id", "timestamp", "workflow_id", "node", "node_id", "instance", "user_id")

Group = dict[str, Any]


def errors(
    store: Store,
    *,
    start: str | None = FROM,
    end: str | None = None,
    q: str | None = None,
    family: str | None = None,
    service: str | None = None,
    node: str | None = None,
    limit: int = 50,
    language: str = ENGLISH,
) -> dict[str, Any]:
    """`{"errors", "families", "took_ms"}`: groups, the most frequent first; `families` counts their failures whatever
    family is asked for. `q` is part of a group's name, title, exception or message, in any case."""
    asked = Asked.of("*", start, end)
    first, last = _ends(store, asked)
    found = store.run(query.groups(service, node), Span(first, last)).to_pylist()
    found = [row for row in found if _fits(row, q, language)]
    families: Counter[str] = Counter()
    for row in found:
        families[failures.family_of(row["group"]) or UNKNOWN] += row["count"]
    wanted = [row for row in found if family is None or (failures.family_of(row["group"]) or UNKNOWN) == family]
    shown = wanted[: min(limit, MOST_ERRORS)]
    return {
        "errors": _groups(store, shown, first, last, service=service, node=node, language=language),
        "families": [
            {"value": name, "count": count, "title": failures.title(name, language)}
            for name, count in families.most_common()
        ],
        "took_ms": asked.took_ms(),
    }


def errors_one(
    store: Store, group: str, *, start: str | None = FROM, end: str | None = None, language: str = ENGLISH
) -> dict[str, Any] | None:
    """One group with an example, its last failures and its alerts; None when it never failed in that time."""
    asked = Asked.of("*", start, end)
    first, last = _ends(store, asked)
    found = store.run(query.groups(group=group), Span(first, last)).to_pylist()
    if not found:
        return None
    (told,) = _groups(store, found, first, last, language=language)
    newest = store.newest(query.of_group(group), Span(first, last), limit=4 * query.MOST_RECENT)
    events = rows.events(newest)
    example = next((event for event in events if "traceback" in event), events[0])
    recent = [{name: event.get(name) for name in _RECENT} | {"message": _said(event)} for event in _once(events)][
        : query.MOST_RECENT
    ]
    return told | {"example": example, "recent": recent, "alerts": _alerts(store, group), "took_ms": asked.took_ms()}


def _groups(
    store: Store,
    found: Sequence[Mapping[str, Any]],
    first: datetime,
    last: datetime,
    *,
    service: str | None = None,
    node: str | None = None,
    language: str,
) -> list[Group]:
    names = [row["group"] for row in found]
    if not names:
        return []
    bars: dict[str, list[int]] = {name: [0] * query.BARS for name in names}
    nodes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in store.run(query.over_time(names, first, last, service, node), Span(first, last)).to_pylist():
        bars[row["group"]][row["bar"]] += row["count"]
        if row["node"]:
            nodes[row["group"]][row["node"]] += row["count"]
    past = {row["group"]: row for row in store.run(query.history(names, first), Span(end=last)).to_pylist()}
    return [_group(row, bars[row["group"]], nodes[row["group"]], past[row["group"]], first, language) for row in found]


def _group(
    row: Mapping[str, Any],
    bars: list[int],
    nodes: Counter[str],
    past: Mapping[str, Any],
    first: datetime,
    language: str,
) -> Group:
    name = row["group"]
    family = failures.family_of(name)
    advice = failures.advice(name, language)
    return {
        "group": name,
        "family": family,
        "known": family is not None,
        "title": failures.title(name, language) or _title(row),
        "error_type": row["error_type"],
        "message": row["message"],
        "nodes": [{"value": value, "count": count} for value, count in nodes.most_common(MOST_NODES)],
        "services": sorted(row["services"] or ()),
        "instances": sorted(row["instances"] or ()),
        "count": row["count"],
        "runs": row["runs"],
        "users": row["users"],
        "first_seen": moment(past["first_seen"]),
        "last_seen": moment(row["last_seen"]),
        "new": past["first_seen"] >= first,
        "back": (past["quiet_us"] or 0) >= query.QUIET / INSTANT,
        "sparkline": bars,
        "advice": advice._asdict() if advice else None,
        "blame": _blame(row),
    }


def _title(row: Mapping[str, Any]) -> str:
    """Of a failure that is no known one: its exception and the first line of what it says."""
    said = failures.plain(row["message"] or "").split("\n")[0].strip()
    kind = (row["error_type"] or "").rpartition(".")[2]
    return ": ".join(part for part in (kind, said) if part) or row["group"]


def _blame(row: Mapping[str, Any]) -> dict[str, str | None] | None:
    """From the traceback; where a log has cut it off, from what the console's grammar made of it."""
    told = failures.blame(row["traceback"])
    pack, frame = told.pack or row["pack"], told.frame or row["frame"]
    return {"pack": pack, "frame": frame} if pack or frame else None


def _fits(row: Mapping[str, Any], q: str | None, language: str) -> bool:
    if not q:
        return True
    texts = (row["group"], row["error_type"], row["message"], failures.title(row["group"], language))
    return any(q.casefold() in text.casefold() for text in texts if text)


def _once(events: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """A run that failed in a node is told of several times: of those the event of the node, or else the newest."""
    listed = list(events)
    in_node = {event.get("workflow_id") for event in listed if event.get("event") == Name.NODE_FAILED}
    told: set[str] = set()
    for event in listed:
        run = event.get("workflow_id")
        if run is not None and event.get("event") != Name.NODE_FAILED:
            if run in in_node or run in told:
                continue
            told.add(run)
        yield event


def _said(event: Mapping[str, Any]) -> str | None:
    return event.get("error_message") or event.get("message")


def _alerts(store: Store, group: str) -> list[dict[str, Any]]:
    """The last alerts that named the group, from what Safelight wrote about them: it holds with the server down."""
    told = store.newest(query.alerts_about(group), limit=4 * query.MOST_ALERTS).to_pylist()
    found: dict[str, dict[str, Any]] = {}
    for event in told:  # newest first: the first word on an alert is its state, the last one when it began
        said = attributes(event)
        fired = event["event"] == Name.ALERT_FIRED
        alert = found.setdefault(
            str(said.get("alert")), {"id": said.get("alert"), "status": "firing" if fired else "resolved"}
        )
        alert |= {"started_at": moment(event["timestamp"]), "rule": said.get("rule")}
    return list(found.values())[: query.MOST_ALERTS]


def _ends(store: Store, asked: Asked) -> tuple[datetime, datetime]:
    """Bars need both ends of the time; without a start it begins with the first event."""
    figures = store.figures()
    now = asked.now.astimezone(UTC)
    last = max(asked.span.end or max(now, figures.newest or now) + INSTANT, EARLIEST + INSTANT)
    first = asked.span.start or figures.oldest or last - timedelta(hours=1)
    return max(min(first, last - INSTANT), EARLIEST), last
