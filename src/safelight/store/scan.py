"""The three questions a store answers, over one snapshot: newest first, oldest first, and any SELECT.

`newest` and `oldest` take two steps: which events (few columns of many events), then their other columns (many of few
events). At 1M events a segment that is 12 + 10 ms instead of 200. Segments are asked in growing groups, 1, 4, 16: one
is enough for what is frequent, and what is rare does not pay a statement for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..query.sql import Span, Sql
from . import Cursor
from .catalog import Hot, RowGroup, Segment, Snapshot
from .chunks import STORED
from .engine import Session
from .extent import to_us
from .hot import HotReader
from .vocabulary import may_hold, needed

_COLUMNS: Final = ", ".join(f'"{name}"' for name in STORED.names)
_KEY: Final = pa.schema([("us", pa.int64()), ("seq", pa.int64())])
EMPTY: Final = STORED.empty_table()


def newest(
    session: Session,
    snapshot: Snapshot,
    where: Sql,
    span: Span,
    limit: int,
    before: Cursor | None,
    containing: Sequence[str],
) -> pa.Table:
    """At most `limit` matching events, newest first by (timestamp, seq)."""
    parts = needed(containing)
    hot = _hot_table(snapshot.hots, span)
    segments = [one for one in _segments(snapshot, span, parts) if _reaches(one, before)]
    segments.sort(key=lambda one: one.extent.max_us, reverse=True)
    session.register({"hot": hot, "none": EMPTY})
    found = _KEY.empty_table()
    for relation, latest_us in _newest_first(hot, segments, parts):
        floor_us = found["us"][limit - 1].as_py() if len(found) >= limit else None
        if floor_us is not None and latest_us is not None and latest_us < floor_us:
            break
        text, values = _matching(where, span, before, floor_us)
        keys = session.ask(
            f"SELECT epoch_us(timestamp) AS us, seq FROM {relation} WHERE {text} "  # noqa: S608  (values are bound)
            f"ORDER BY timestamp DESC, seq DESC LIMIT {int(limit)}",
            values,
        )
        found = pa.concat_tables([found, keys.cast(_KEY)]).sort_by([("us", "descending"), ("seq", "descending")])
        found = found.slice(0, limit)
    rows = _fetch(session, hot, segments, found)
    return rows.take(pc.sort_indices(rows, [("timestamp", "descending"), ("seq", "descending")]))


def oldest(session: Session, snapshot: Snapshot, where: Sql, span: Span, limit: int) -> pa.Table:
    """At most `limit` matching events in the order of `seq`. Numbers ascend from segment to segment: no walk back."""
    hot = _hot_table(snapshot.hots, span)
    segments = _segments(snapshot, span, ())
    session.register({"hot": hot, "none": EMPTY})
    text, values = _matching(where, span, None, None)
    found = _KEY.empty_table()
    for relation in (*map(_files, _growing(segments)), *(["hot"] if len(hot) else [])):
        if len(found) >= limit:
            break
        keys = session.ask(
            f"SELECT epoch_us(timestamp) AS us, seq FROM {relation} WHERE {text} "  # noqa: S608  (values are bound)
            f"ORDER BY seq LIMIT {int(limit) - len(found)}",
            values,
        )
        found = pa.concat_tables([found, keys.cast(_KEY)])
    return _fetch(session, hot, segments, found).sort_by("seq")


def run(session: Session, snapshot: Snapshot, sql: Sql, span: Span, containing: Sequence[str]) -> pa.Table:
    """The answer of one SELECT over `events`, which holds the span."""
    define_events(session, snapshot, span, needed(containing))
    return session.ask(sql.text, sql.parameters)


def define_events(session: Session, snapshot: Snapshot, span: Span, parts: Sequence[str] = ()) -> None:
    """Let `events` be the snapshot's events of the span, less what cannot have certain words in its text."""
    hot = _hot_table(snapshot.hots, span)
    session.register({"hot": hot, "none": EMPTY})
    segments = _segments(snapshot, span, parts)
    where = " AND ".join(_bounds(span) or ["TRUE"])
    pieces = [f"SELECT {_COLUMNS} FROM hot WHERE {where}"]  # noqa: S608  (numbers of ours)
    if segments:
        pieces.append(f"SELECT {_COLUMNS} FROM {_files(segments, parts)} WHERE {where}")  # noqa: S608
    session.execute(f"CREATE OR REPLACE TEMP VIEW events AS {' UNION ALL '.join(pieces)}")


def _hot_table(hots: Iterable[Hot], span: Span) -> pa.Table:
    """The events in memory that can lie in the span: cut by number, time is left to the statement."""
    views = [hot.view or HotReader(hot.file).refresh().view() for hot in hots if hot.extent.touches(span)]
    tables = [view.table(span.after_seq, span.upto_seq) for view in views]
    return pa.concat_tables(tables) if tables else EMPTY


def _segments(snapshot: Snapshot, span: Span, parts: Sequence[str]) -> list[Segment]:
    """The segments that can hold events of the span with these parts of words in their text."""
    return [
        one
        for one in snapshot.segments
        if one.extent.touches(span) and any(may_hold(group.words, parts) for group in one.row_groups)
    ]


def _reaches(segment: Segment, before: Cursor | None) -> bool:
    return before is None or segment.extent.min_us <= to_us(before.timestamp)


def _newest_first(hot: pa.Table, segments: Sequence[Segment], parts: Sequence[str]) -> Iterator[tuple[str, int | None]]:
    """What to ask, in order, and the latest time it can hold (None: ask in any case)."""
    if len(hot):
        yield "hot", None
    for group in _growing(segments):
        yield _files(group, parts), group[0].extent.max_us


def _growing(segments: Sequence[Segment]) -> Iterator[Sequence[Segment]]:
    start, size = 0, 1
    while start < len(segments):
        yield segments[start : start + size]
        start, size = start + size, size * 4


def _files(segments: Sequence[Segment], parts: Sequence[str] = ()) -> str:
    """The relation of some segments, in today's columns whatever version wrote them, and without the row groups that
    cannot have certain parts of words in their text."""
    whole: list[Segment] = []
    relations: list[str] = []
    for one in segments:
        groups = [group for group in one.row_groups if may_hold(group.words, parts)]
        if len(groups) == len(one.row_groups):
            whole.append(one)
        else:
            relations += [_rows(one, group) for group in groups]
    if whole:
        paths = ", ".join(_literal(_no_pattern(str(one.file.path))) for one in whole)
        relations.insert(0, f"FROM read_parquet([{paths}], union_by_name = {not all(one.current for one in whole)})")
    if all(one.current for one in segments):
        joined = " UNION ALL ".join(relations)
    else:
        joined = " UNION ALL BY NAME ".join(['FROM "none"', *relations])
    return f"({joined})"


def _rows(segment: Segment, group: RowGroup) -> str:
    path = _literal(_no_pattern(str(segment.file.path)))
    return f"SELECT * FROM read_parquet([{path}]) WHERE file_row_number BETWEEN {group.first} AND {group.last}"  # noqa: S608


def file_list(segments: Sequence[Segment]) -> str:
    """The paths of some segments, as a list of SQL strings."""
    return ", ".join(_literal(str(segment.file.path)) for segment in segments)


def _literal(text: str) -> str:
    """A string as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _no_pattern(path: str) -> str:
    """A path that DuckDB takes literally, although it may hold characters of file patterns."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _matching(where: Sql, span: Span, before: Cursor | None, floor_us: int | None) -> tuple[str, tuple[object, ...]]:
    """The condition of a page, and its values. Our own numbers are literals: DuckDB prunes row groups by them."""
    parts = [f"({where.text or 'TRUE'})", *_bounds(span)]
    if before is not None:
        us = to_us(before.timestamp)
        parts.append(f"timestamp <= {_time(us)} AND (timestamp < {_time(us)} OR seq < {int(before.seq)})")
    if floor_us is not None:
        parts.append(f"timestamp >= {_time(floor_us)}")
    return " AND ".join(parts), where.parameters


def _bounds(span: Span) -> list[str]:
    parts = []
    if span.start is not None:
        parts.append(f"timestamp >= {_time(to_us(span.start))}")
    if span.end is not None:
        parts.append(f"timestamp < {_time(to_us(span.end))}")
    if span.after_seq is not None:
        parts.append(f"seq > {int(span.after_seq)}")
    if span.upto_seq is not None:
        parts.append(f"seq <= {int(span.upto_seq)}")
    return parts


def _time(us: int) -> str:
    return f"make_timestamptz({int(us)}::BIGINT)"


def _fetch(session: Session, hot: pa.Table, segments: Sequence[Segment], keys: pa.Table) -> pa.Table:
    """All columns of the events with these keys, in any order."""
    if not len(keys):
        return EMPTY
    tables = [hot.filter(pc.is_in(hot["seq"], value_set=keys["seq"].combine_chunks()))] if len(hot) else []
    holding = [one for one in segments if _holds_any(one, keys["seq"])]
    if holding:
        bounds = pc.min_max(keys["us"]).as_py()
        session.register({"wanted": keys.select(["seq"])})  # joined: a list of 10,000 literals takes 290 ms, this 20
        rows = session.ask(
            f"SELECT {_COLUMNS} FROM {_files(holding)} "  # noqa: S608  (numbers of ours)
            f"WHERE timestamp BETWEEN {_time(bounds['min'])} AND {_time(bounds['max'])} AND seq IN (FROM wanted)"
        )
        tables.append(rows.cast(STORED))
    return pa.concat_tables(tables)


def _holds_any(segment: Segment, seq: pa.ChunkedArray) -> bool:
    inside = pc.and_(
        pc.greater_equal(seq, segment.extent.min_seq),
        pc.less_equal(seq, segment.extent.max_seq),
    )
    return bool(pc.any(inside).as_py())
