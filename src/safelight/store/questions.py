"""Asking although files come, go and break: a question is asked again when its files moved or one was damaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ..batch import Batch
from ..errors import QueryError
from ..event import FIELDS, Kind
from .catalog import Hot, Segment, Snapshot, short
from .chunks import Chunks, number
from .engine import Deadline, Engine, Session
from .files import hot_file

Question = Callable[[Session, Snapshot], pa.Table]

ATTEMPTS: Final = 10
"""How often a question is asked again before it fails: merging would have to finish that often while it is answered."""

_THE_QUESTIONS_FAULT: Final = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.TypeMismatchException,
    duckdb.NotImplementedException,
)


class Questions:
    """`snapshot` says what there is now; `quarantine` sets aside the damaged ones of some segments, if any."""

    def __init__(
        self, engine: Engine, snapshot: Callable[[], Snapshot], quarantine: Callable[[Sequence[Segment]], bool]
    ) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._quarantine = quarantine

    def ask(self, question: Question, timeout_s: float) -> pa.Table:
        """The answer. Raises QueryTooCostly over time or memory, QueryError when it cannot be answered at all."""
        deadline = Deadline(timeout_s)
        for _ in range(ATTEMPTS):
            snapshot = self._snapshot()
            self._engine.reads([one.file for one in snapshot.segments])
            try:
                with self._engine.session(deadline) as session:
                    return question(session, snapshot)
            except FileNotFoundError:
                continue
            except _THE_QUESTIONS_FAULT as error:
                raise _refused(error) from error
            except duckdb.Error as error:
                if all(one.file.path.exists() for one in snapshot.segments):
                    self._blame(question, snapshot, error, deadline)
        raise deadline.exceeded()

    def _blame(self, question: Question, snapshot: Snapshot, error: duckdb.Error, deadline: Deadline) -> None:
        """Return when the question is worth asking again: a segment was damaged. Raise when it is the question itself,
        which then fails over a single harmless event, too (a bad regular expression)."""
        try:
            with self._engine.session(deadline) as session:
                question(session, _SAMPLE)
        except duckdb.Error:
            raise _refused(error) from error
        if not self._quarantine(snapshot.segments):
            raise _refused(error) from error


def damaged(segments: Sequence[Segment]) -> list[tuple[Segment, str]]:
    """Those of some segments whose pages cannot all be read, and why. Reads them completely."""
    found = []
    for one in segments:
        try:
            with pq.ParquetFile(one.file.path, page_checksum_verification=True, pre_buffer=False) as file:
                for _ in file.iter_batches(16_384):
                    pass
        except FileNotFoundError:
            continue
        except (OSError, pa.ArrowException) as error:
            found.append((one, short(error)))
    return found


def _refused(error: duckdb.Error) -> QueryError:
    return QueryError("store.refused", reason=short(error))


def _sample() -> Snapshot:
    """One event that has something in every column."""
    filling = {Kind.TEXT: "x", Kind.TIME: datetime(2000, 1, 1, tzinfo=UTC), Kind.NUMBER: 1.0, Kind.JSON: "{}"}
    batch = Batch.of([{name: filling[kind] for name, kind in FIELDS.items()}]).table.combine_chunks().to_batches()[0]
    chunks = Chunks()
    chunks.add(number(batch, 1))
    return Snapshot((Hot.of(hot_file(Path(), 0), chunks.view(), 0),))


_SAMPLE: Final = _sample()
