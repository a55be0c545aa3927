"""Asking the store which new events match which rules.

Safelight's own events about alerting (`alert_fired`, `notification_failed` and so on, service `safelight`) are never
looked at: otherwise an alert's own `alert_fired` would fire `any level:ERROR` again. What else Safelight says about
itself, such as `source_failed`, alerts like everything else. Imported events are history and never looked at either.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from ..errors import QueryError, QueryTooCostly
from ..event import IMPORTED, OURSELVES, Name
from ..query.compile import where
from ..query.sql import Span, Sql
from ..rows import iso
from ..store import Store
from .condition import Match
from .judged import Hit
from .rule import Rule

LATE: Final = timedelta(minutes=10)
"""Matching events older than this when they are judged fire nothing by themselves; they are counted."""
PASS_TIMEOUT_S: Final = 10.0
"""Of one question about new events; 50,000 of them take about 0.1 s."""
PART_MIN: Final = 1_000
"""A rule that is too slow over new events is asked about ever smaller parts of them, down to this many."""
LABELS: Final = ("service", "instance", "node", "error_group")
"""What tells one alert of a match rule from another."""
LABEL_MAX: Final = 200
"""Characters of a label's value."""
SAMPLED_MAX: Final = 100
"""Label sets of one step that get example events; a step with more is a storm, and its message lists no more."""
TEXT_MAX: Final = 2_000
"""Characters kept of each text of an example event; of a traceback the end, where the error is."""

_ALERTING: Final = (Name.ALERT_FIRED, Name.ALERT_RESOLVED, Name.NOTIFICATION_SENT, Name.NOTIFICATION_FAILED)
ALIVE: Final = Sql("SELECT count(*) AS count FROM events")
"""What a store in good order can answer: tells its trouble from a rule's."""
JUDGED: Final = Sql(
    f"NOT (coalesce(service, '') = ? AND coalesce(event, '') IN ({', '.join('?' * len(_ALERTING))}))"
    " AND NOT starts_with(coalesce(id, ''), ?)",
    (OURSELVES, *map(str, _ALERTING), IMPORTED),
)


@dataclass(frozen=True, slots=True)
class Matches:
    """What new events mean for the match rules. `failed`: rules that could not be judged, and why."""

    hits: tuple[Hit, ...] = ()
    late: int = 0
    failed: tuple[tuple[str, QueryError], ...] = ()


def matches(store: Store, rules: Sequence[Rule], span: Span, now: datetime, failing: Collection[str] = ()) -> Matches:
    """All match rules over the events of `span`, in one pass. A rule the store cannot judge does not stop the others:
    too slow, it is judged in parts; too slow even so, or wrong, it is among the `failed` with what could be judged.

    Rules `failing` before are asked about apart, once, so that they cost the others little time.
    Raises StoreError or QueryError when the store itself cannot answer: nothing was judged then.
    """
    sound = [rule for rule in rules if rule.id not in failing]
    apart = [rule for rule in rules if rule.id in failing]
    found: list[Matches] = []
    failed: list[tuple[str, QueryError]] = []
    if sound:
        try:
            found.append(_pass(store, sound, span, now))
        except QueryError:
            store.run(ALIVE, span)
            apart = [*sound, *apart]
    for rule in apart:
        try:
            found.extend(_parts(store, rule, span, now, once=rule.id in failing))
        except QueryError as error:
            store.run(ALIVE, span)
            failed.append((rule.id, error))
    hits = [hit for part in found for hit in part.hits]
    return Matches(tuple(hits), sum(part.late for part in found), tuple(failed))


def brief(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as it is shown: a flat JSON object without empty fields, long texts cut."""
    shown: dict[str, Any] = {}
    for name, value in event.items():
        if value is None or name == "seq":
            continue
        if isinstance(value, datetime):
            shown[name] = iso(value)
        elif name == "attributes":
            if len(value) <= 2 * TEXT_MAX:
                shown[name] = json.loads(value)
        elif isinstance(value, str):
            shown[name] = value[-TEXT_MAX:] if name == "traceback" else value[:TEXT_MAX]
        else:
            shown[name] = value
    return shown


def _parts(store: Store, rule: Rule, span: Span, now: datetime, *, once: bool) -> Iterator[Matches]:
    """One rule; what is too slow as a whole in halves, unless it is to be tried `once`. The first part that is too slow
    ends it: what came before stands."""
    try:
        found = _pass(store, [rule], span, now)
    except QueryTooCostly:
        after, upto = span.after_seq or 0, span.upto_seq
        if once or upto is None or upto - after <= PART_MIN:
            raise
        middle = (after + upto) // 2
        yield from _parts(store, rule, replace(span, upto_seq=middle), now, once=False)
        yield from _parts(store, rule, replace(span, after_seq=middle), now, once=False)
    else:
        yield found


def _pass(store: Store, rules: Sequence[Rule], span: Span, now: datetime) -> Matches:
    wanted = [where(rule.when.filter, now) for rule in rules if isinstance(rule.when, Match)]
    columns = ", ".join(f"coalesce(({sql.text}), false) AS m{number}" for number, sql in enumerate(wanted))
    flags = [f"m{number}" for number in range(len(rules))]
    labels = ", ".join(LABELS)
    query = (
        f"SELECT {labels}, late, {', '.join(flags)}, count(*) AS count, min(timestamp) AS first_at,"  # noqa: S608
        f" max(timestamp) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq FROM"
        f" (SELECT seq, timestamp, {labels}, timestamp < ? AS late, {columns}"
        f" FROM events WHERE {JUDGED.text}) judged WHERE {' OR '.join(flags)} GROUP BY ALL ORDER BY first_seq"
    )
    values = (now - LATE, *(value for sql in wanted for value in sql.parameters), *JUDGED.parameters)
    rows = store.run(Sql(query, values), span, timeout_s=PASS_TIMEOUT_S).to_pylist()
    late = sum(row["count"] for row in rows if row["late"])
    hits: dict[tuple[str, tuple[str | None, ...]], Hit] = {}
    for row in rows:
        if row["late"]:
            continue
        for number, rule in enumerate(rules):
            if row[f"m{number}"]:
                key = (rule.id, tuple(row[name] for name in LABELS))
                hits[key] = _joined(hits.get(key), _hit(rule, row))
    return Matches(tuple(with_events(store, list(hits.values()), span)), late)


def _hit(rule: Rule, row: Mapping[str, Any]) -> Hit:
    labels = {name: row[name][:LABEL_MAX] for name in LABELS if row[name] is not None}
    return Hit(rule, labels, row["count"], row["first_at"], row["last_at"], row["first_seq"], row["last_seq"])


def _joined(one: Hit | None, other: Hit) -> Hit:
    if one is None:
        return other
    return replace(
        one,
        count=one.count + other.count,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
        first_seq=min(one.first_seq, other.first_seq),
        last_seq=max(one.last_seq, other.last_seq),
    )


def with_events(store: Store, hits: Sequence[Hit], span: Span) -> Iterable[Hit]:
    """The hits with their first and last event, where a hit has them."""
    seqs = sorted({seq for hit in hits[:SAMPLED_MAX] for seq in (hit.first_seq, hit.last_seq)})
    if not seqs:
        return hits
    sql = Sql(f"seq IN ({', '.join('?' * len(seqs))})", tuple(seqs))
    within = replace(span, after_seq=seqs[0] - 1, upto_seq=seqs[-1])
    rows = store.oldest(sql, within, limit=len(seqs), timeout_s=PASS_TIMEOUT_S).to_pylist()
    events = {event["seq"]: brief(event) for event in rows}
    return [
        replace(hit, events=[events[seq] for seq in sorted({hit.first_seq, hit.last_seq}) if seq in events])
        for hit in hits
    ]


def both(one: Sql, other: Sql) -> Sql:
    """Both conditions."""
    return Sql(f"({one.text}) AND ({other.text})", one.parameters + other.parameters)


def by_match(rules: Iterable[Rule]) -> list[Rule]:
    """Those judged on every commit; the rest are windows."""
    return [rule for rule in rules if isinstance(rule.when, Match)]
