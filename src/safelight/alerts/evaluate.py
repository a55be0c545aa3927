"""Asking the store which new events match which rules.

Safelight's own events about alerting (`alert_fired`, `notification_failed` and so on, service `safelight`) are never
looked at: otherwise an alert's own `alert_fired` would fire `any level:ERROR` again. A channel that broke is told by
the others without a rule, and so is a repair that failed. What else Safelight says about itself, such as
`source_failed` and `rule_failed`, alerts like everything else. Imported events are history and never looked at either.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from ..errors import QueryError, QueryTooCostly
from ..event import ALERTING, IMPORTED, OURSELVES, Name
from ..query.compile import where
from ..query.sql import Span, Sql
from ..rows import iso
from ..store import Store
from .condition import Condition, Match
from .judged import Cleared, Hit
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

_UNJUDGED: Final = (*ALERTING, Name.DIGEST_SENT)
"""Of ourselves: an alert about an alert would never end."""
ALIVE: Final = Sql("SELECT count(*) AS count FROM events")
"""What a store in good order can answer: tells its trouble from a rule's."""
JUDGED: Final = Sql(
    f"NOT (coalesce(service, '') = ? AND coalesce(event, '') IN ({', '.join('?' * len(_UNJUDGED))}))"
    " AND NOT starts_with(coalesce(id, ''), ?)",
    (OURSELVES, *map(str, _UNJUDGED), IMPORTED),
)


@dataclass(frozen=True, slots=True)
class Matches:
    """What new events mean for the match rules. `failed`: rules that could not be judged, why, and the number of the
    last event that they were judged by."""

    hits: tuple[Hit, ...] = ()
    late: int = 0
    failed: tuple[tuple[str, QueryError, int], ...] = ()
    cleared: tuple[Cleared, ...] = ()


def matches(store: Store, rules: Sequence[Rule], span: Span, now: datetime) -> Matches:
    """All match rules over the events of `span`, in one pass. A rule the store cannot judge does not stop the others:
    too slow, it is judged in parts; too slow even so, or wrong, it is among the `failed` with what could be judged.

    Raises StoreError or QueryError when the store itself cannot answer: nothing was judged then.
    """
    try:
        return one_pass(store, rules, span, now)
    except QueryError:
        store.run(ALIVE, span)
    found: list[Matches] = []
    failed: list[tuple[str, QueryError, int]] = []
    for rule in rules:
        judged = span.after_seq or 0
        try:
            for upto, part in _parts(store, rule, span, now):
                found.append(part)
                judged = upto
        except QueryError as error:
            store.run(ALIVE, span)
            failed.append((rule.id, error, judged))
    hits = [hit for part in found for hit in part.hits]
    cleared = [one for part in found for one in part.cleared]
    return Matches(tuple(hits), sum(part.late for part in found), tuple(failed), tuple(cleared))


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


def _parts(store: Store, rule: Rule, span: Span, now: datetime) -> Iterator[tuple[int, Matches]]:
    """One rule, and how far each part reaches; what is too slow as a whole in halves. The first part that is too slow
    ends it: what came before stands."""
    after, upto = span.after_seq or 0, span.upto_seq
    assert upto is not None  # noqa: S101 - what is judged has an end
    try:
        found = one_pass(store, [rule], span, now)
    except QueryTooCostly:
        if upto - after <= PART_MIN:
            raise
        middle = (after + upto) // 2
        yield from _parts(store, rule, replace(span, upto_seq=middle), now)
        yield from _parts(store, rule, replace(span, after_seq=middle), now)
    else:
        yield upto, found


def one_pass(store: Store, rules: Sequence[Rule], span: Span, now: datetime) -> Matches:
    """All of these rules over the events of `span`, in one question. Raises QueryError, StoreError."""
    wanted: dict[str, Condition | None] = {f"m{number}": rule.when for number, rule in enumerate(rules)}
    wanted |= {f"c{number}": rule.clear for number, rule in enumerate(rules)}
    asked = {name: where(one.filter, now) for name, one in wanted.items() if isinstance(one, Match)}
    columns = ", ".join(f"coalesce(({sql.text}), false) AS {name}" for name, sql in asked.items())
    labels, flags = ", ".join(LABELS), list(asked)
    query = (
        f"SELECT {labels}, late, {', '.join(flags)}, count(*) AS count, min(timestamp) AS first_at,"  # noqa: S608
        f" max(timestamp) AS last_at, min(seq) AS first_seq, max(seq) AS last_seq FROM"
        f" (SELECT seq, timestamp, {labels}, timestamp < ? AS late, {columns}"
        f" FROM events WHERE {JUDGED.text}) judged WHERE {' OR '.join(flags)} GROUP BY ALL ORDER BY first_seq"
    )
    values = (now - LATE, *(value for sql in asked.values() for value in sql.parameters), *JUDGED.parameters)
    rows = store.run(Sql(query, values), span, timeout_s=PASS_TIMEOUT_S).to_pylist()
    matching = [f"m{number}" for number in range(len(rules))]
    late = sum(row["count"] for row in rows if row["late"] and any(row[name] for name in matching))
    hits: dict[tuple[str, tuple[str | None, ...]], Hit] = {}
    cleared = []
    for row in rows:
        for number, rule in enumerate(rules):
            if row[f"m{number}"] and not row["late"]:
                key = (rule.id, tuple(row[name] for name in LABELS))
                hits[key] = _joined(hits.get(key), _hit(rule, row))
            if row.get(f"c{number}"):
                cleared.append(Cleared(rule, _labels(row), row["last_at"], row["last_seq"]))
    return Matches(tuple(with_events(store, list(hits.values()), span)), late, (), tuple(cleared))


def _labels(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: row[name][:LABEL_MAX] for name in LABELS if row[name] is not None}


def _hit(rule: Rule, row: Mapping[str, Any]) -> Hit:
    return Hit(rule, _labels(row), row["count"], row["first_at"], row["last_at"], row["first_seq"], row["last_seq"])


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
