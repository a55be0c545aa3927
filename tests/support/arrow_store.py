"""The part of a store that alerting asks, over one Arrow table: for tests that need no disk."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from safelight.batch import SCHEMA, Batch
from safelight.query.sql import EVERYTHING, Span, Sql
from safelight.store import Commit, Figures

_SCHEMA = pa.schema([("seq", pa.int64()), *SCHEMA])


class ArrowStore:
    def __init__(self) -> None:
        self._table = _SCHEMA.empty_table()

    def append(self, batch: Batch, checkpoint=None, batch_id=None) -> Commit:
        first = self._table.num_rows + 1
        seqs = pa.array(range(first, first + len(batch)), pa.int64())
        numbered = batch.table.add_column(0, "seq", seqs)
        self._table = pa.concat_tables([self._table, numbered.cast(_SCHEMA)])
        return Commit(first, first + len(batch) - 1)

    def run(self, sql: Sql, span: Span = EVERYTHING, *, timeout_s: float = 30) -> pa.Table:
        with duckdb.connect(config={"threads": 1, "TimeZone": "UTC"}) as connection:
            connection.register("events", self._within(span))
            return connection.execute(sql.text, list(sql.parameters)).to_arrow_table()

    def oldest(self, where: Sql, span: Span = EVERYTHING, *, limit: int, timeout_s: float = 30) -> pa.Table:
        return self.run(Sql(f"SELECT * FROM events WHERE {where.text} ORDER BY seq LIMIT {limit}", where.parameters), span)

    def newest(self, where: Sql, span: Span = EVERYTHING, *, limit: int, before=None, timeout_s: float = 30) -> pa.Table:
        order = f"ORDER BY timestamp DESC, seq DESC LIMIT {limit}"
        return self.run(Sql(f"SELECT * FROM events WHERE {where.text} {order}", where.parameters), span)

    def figures(self) -> Figures:
        rows = self._table.num_rows
        return Figures(rows, 0, 0, None, None, rows)

    def _within(self, span: Span) -> pa.Table:
        seq, timestamp = pc.field("seq"), pc.field("timestamp")
        kept = pc.scalar(True)
        if span.after_seq is not None:
            kept &= seq > span.after_seq
        if span.upto_seq is not None:
            kept &= seq <= span.upto_seq
        if span.start is not None:
            kept &= timestamp >= pa.scalar(span.start)
        if span.end is not None:
            kept &= timestamp < pa.scalar(span.end)
        return self._table.filter(kept)
