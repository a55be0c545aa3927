"""Into which index an event goes, and under which id: the same ones however often it is sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ...batch import Batch

Dates = Literal["day", "month", "none"]

ID_MAX: Final = 512
"""Bytes of an `_id`; a longer one, like an empty one, would fail the whole request, not only its own event."""
EARLIEST_YEAR: Final = 2000
LATEST: Final = timedelta(days=1)
"""A timestamp before that year, or by more than this after the arrival, is a mistake of a clock: it must not make an
index of its own."""
_FORMAT: Final = {"day": "-%Y.%m.%d", "month": "-%Y.%m", "none": ""}


@dataclass(frozen=True, slots=True)
class Indices:
    """`prefix-2026.11.22`, `prefix-2026.11`, or `prefix` alone, which a data stream always is."""

    prefix: str
    dates: Dates = "day"
    data_stream: bool = False

    @property
    def pattern(self) -> str:
        """What matches all of them."""
        return self.prefix if self.data_stream or self.dates == "none" else f"{self.prefix}-*"

    def actions(self, batch: Batch) -> list[bytes]:
        """The line before each document of a bulk request.

        https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk: `index` writes the same document
        again, which changes nothing; a data stream takes only `create`, which answers 409 where the id exists already.
        """
        operation = "create" if self.data_stream else "index"
        names = pa.array([self.prefix] * len(batch)) if self.pattern == self.prefix else self._dated(batch)
        encode = msgspec.json.Encoder().encode
        return [
            encode({operation: {"_index": index} | ({"_id": usable(id_)} if id_ else {})})
            for index, id_ in zip(names.to_pylist(), batch["id"].to_pylist(), strict=True)
        ]

    def _dated(self, batch: Batch) -> pa.ChunkedArray:
        happened, arrived = batch["timestamp"], batch["received_at"]
        late = pc.add(arrived, pa.scalar(LATEST))
        plausible = pc.and_(pc.greater_equal(pc.year(happened), EARLIEST_YEAR), pc.less_equal(happened, late))
        now = pa.scalar(datetime.now(UTC), happened.type)
        day = pc.coalesce(pc.if_else(plausible, happened, arrived), arrived, happened, now)
        return pc.strftime(day.cast(pa.timestamp("s"), safe=False), format=self.prefix + _FORMAT[self.dates])


def usable(id_: str) -> str:
    """An id that is taken: a longer one is replaced by its SHA-256, which is as stable."""
    return id_ if len(id_.encode()) <= ID_MAX else hashlib.sha256(id_.encode()).hexdigest()
