"""Feeding watches: one statement for all of them over the new events, and one over the past for one of them.

A statement with an arm for each of 50 watches takes 110 ms, mostly planning; so a first one asks, in 10 ms, which of
them have anything to hear at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import pyarrow as pa

from ...query.sql import Span, Sql
from ...store import Store
from ..evaluate import JUDGED, PASS_TIMEOUT_S
from . import Row, Watch
from .columns import Asked, parts_of

HISTORY_TIMEOUT_S: Final = 60.0
"""Of one question about the past of one rule."""
ASKED_FIRST: Final = 4
"""From so many watches on it pays to ask first who has anything to hear."""


def feed(store: Store, watches: Sequence[Watch], span: Span, now: datetime) -> None:
    """Give the watches what `span` holds for them. Raises QueryError, StoreError: nothing was fed then."""
    listeners: dict[Asked, list[Watch]] = {}
    for watch in watches:  # rules that differ in their figure only ask the same
        listeners.setdefault(watch.asked(now, watch.period), []).append(watch)
    asked = list(listeners)
    if len(asked) >= ASKED_FIRST:
        asked = _concerned(store, asked, span)
    if not asked:
        return
    arms = [one.arm(number, JUDGED) for number, one in enumerate(asked)]
    text, values = " UNION ALL ".join(arm.text for arm in arms), tuple(v for arm in arms for v in arm.parameters)
    answer = store.run(Sql(text, values), span, timeout_s=PASS_TIMEOUT_S)
    rows_of: list[list[Row]] = [[] for _ in asked]
    for number, row in zip(answer["w"].to_pylist(), _rows(answer), strict=True):
        rows_of[number].append(row)
    for one, rows in zip(asked, rows_of, strict=True):
        for watch in listeners[one]:
            watch.take(rows)


def history(store: Store, watch: Watch, end: datetime, upto: int | None = None) -> None:
    """Give one watch what it would know at `end` had it run all along. With `upto`, of the events up to that number,
    whatever their time; otherwise of those before `end`."""
    pieces = list(watch.pieces(end - watch.horizon, end))
    for begin, until, width in pieces:
        last = upto is not None and (begin, until, width) == pieces[-1]
        span = Span(start=begin, end=None if last else until, upto_seq=upto)
        stretch(store, watch, span, until, width)


def stretch(store: Store, watch: Watch, span: Span, now: datetime, width: int) -> None:
    """Give one watch all of a span."""
    answer = store.run(watch.asked(now, width).arm(0, JUDGED), span, timeout_s=HISTORY_TIMEOUT_S)
    watch.take(_rows(answer))


def _concerned(store: Store, asked: Sequence[Asked], span: Span) -> list[Asked]:
    """Those for which there is anything."""
    counts = ", ".join(f"bool_or({one.wanted.text}) AS w{number}" for number, one in enumerate(asked))
    values = tuple(value for one in asked for value in one.wanted.parameters)
    text = f"SELECT {counts} FROM events WHERE {JUDGED.text}"  # noqa: S608
    answer = store.run(Sql(text, (*values, *JUDGED.parameters)), span, timeout_s=PASS_TIMEOUT_S).to_pylist()[0]
    return [one for number, one in enumerate(asked) if answer[f"w{number}"]]


def _rows(answer: pa.Table) -> Iterator[Row]:
    return _decoded(answer) if len(answer) else iter(())


def _decoded(answer: pa.Table) -> Iterator[Row]:
    keys = answer["c1"].combine_chunks().dictionary_encode()
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks()
    known = [parts_of(key) for key in keys.dictionary.to_pylist()]
    columns: list[Iterable[object]] = [
        answer["c0"].to_pylist(),
        [known[index] for index in keys.indices.to_pylist()],
        *(_values(answer[name]) for name in ("c2", "c3", "c4", "c5")),
    ]
    return zip(*columns, strict=True)


def _values(column: pa.ChunkedArray) -> Iterable[object]:
    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_decimal(column.type):
        return [None if value is None else int(value) for value in column.to_pylist()]
    return column.to_pylist()  # type: ignore[no-any-return]
