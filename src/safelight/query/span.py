"""Which stretch of time a filter can find anything in, so that the store may leave out the rest."""

from __future__ import annotations

from datetime import datetime

from . import times
from .ast import And, Compare, Filter, Match, Or, Range
from .fields import of_events
from .sql import EVERYTHING, Span


def span(condition: Filter, now: datetime) -> Span:
    """What the conditions on `timestamp` imply: never less than `condition` can find, often just that.

    A span that ends before it starts is empty. Raises QueryError when a time is none.
    """
    match condition:
        case And(items):
            return intersection(*(span(item, now) for item in items))
        case Or(items):
            return _hull(*(span(item, now) for item in items))
        case Match(field, value) if _is_time(field):
            return Span(*times.bounds("=", value, now))
        case Compare(field, op, value) if _is_time(field):
            return Span(*times.bounds(op, value, now))
        case Range(field, low, high) if _is_time(field):
            start = None if low is None else times.bounds(">=" if condition.with_low else ">", low, now)[0]
            end = None if high is None else times.bounds("<=" if condition.with_high else "<", high, now)[1]
            return Span(start, end)
    return EVERYTHING


def intersection(*spans: Span) -> Span:
    """What is in all of them."""
    return Span(
        max((s.start for s in spans if s.start is not None), default=None),
        min((s.end for s in spans if s.end is not None), default=None),
        max((s.after_seq for s in spans if s.after_seq is not None), default=None),
        min((s.upto_seq for s in spans if s.upto_seq is not None), default=None),
    )


def _hull(*spans: Span) -> Span:
    starts: list[datetime | None] = [s.start for s in spans]
    ends: list[datetime | None] = [s.end for s in spans]
    return Span(
        None if None in starts else min(filter(None, starts)),
        None if None in ends else max(filter(None, ends)),
    )


def _is_time(field: str) -> bool:
    return of_events(field).name == "timestamp"
