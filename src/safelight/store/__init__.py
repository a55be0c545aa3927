"""What a store of events must do. `segments` is the embedded one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from ..batch import Batch, Checkpoint
from ..query.sql import EVERYTHING, Span, Sql


@dataclass(frozen=True, slots=True)
class Commit:
    """Durable. The events of the batch have the numbers `first_seq` to `last_seq`; an empty batch has none."""

    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of newest-first results ended."""

    timestamp: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What a store holds."""

    events: int
    bytes: int
    segments: int
    oldest: datetime | None
    newest: datetime | None
    last_seq: int


class Store(Protocol):
    """Durable before acknowledged; readable from any thread while it is written."""

    def append(self, batch: Batch, checkpoint: Checkpoint | None = None, batch_id: str | None = None) -> Commit:
        """Make the batch and the checkpoint durable together, and only then return. Thread-safe; concurrent callers
        share one fsync. A `batch_id` seen before is not stored again: its first commit is returned.

        Raises StoreFull when the disk has no room (nothing acknowledged, the store stays usable), StoreError otherwise.
        """
        ...

    def checkpoint(self, prefix: str = "") -> Mapping[str, str]:
        """The committed positions whose key starts with `prefix`."""
        ...

    def newest(
        self,
        where: Sql,
        span: Span = EVERYTHING,
        *,
        limit: int,
        before: Cursor | None = None,
        containing: Sequence[str] = (),
        timeout_s: float = 30,
    ) -> pa.Table:
        """At most `limit` events for which `where` holds, newest first by (timestamp, seq), with all columns and `seq`.

        Walks the hot part and the segments from the newest backwards and stops when the rest cannot matter.
        `containing`: phrases that every event for which `where` holds has in its free text (`query.fields.TEXTS`), in
        any case. They change no answer; the store passes by what cannot hold them.
        Raises QueryTooCostly over `timeout_s`.
        """
        ...

    def oldest(self, where: Sql, span: Span = EVERYTHING, *, limit: int, timeout_s: float = 30) -> pa.Table:
        """The same in the order of `seq` ascending: what a live stream or a rule resumes from."""
        ...

    def run(
        self, sql: Sql, span: Span = EVERYTHING, *, containing: Sequence[str] = (), timeout_s: float = 30
    ) -> pa.Table:
        """The answer of one SELECT over the relation `events`, which holds the span. For our own, compiled SQL.

        `containing`: as for `newest`, of the events that the SELECT counts.
        """
        ...

    def figures(self) -> Figures:
        """Counts and sizes, without reading events."""
        ...

    def close(self) -> None:
        """Release files and lock. What was acknowledged needs no closing to be safe."""
        ...
