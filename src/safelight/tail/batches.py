"""What was read, as a batch of raw lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from ..batch import SCHEMA, Batch, unchecked_text
from .turn import Records


def raw_batch(found: Iterable[Records], constants: Mapping[str, str | None]) -> Batch:
    """One row a record: the bytes as they came in `raw`, where and when; everything else is still to be understood."""
    now = datetime.now(UTC)
    tables = [
        Batch.from_columns(
            len(records.texts),
            {
                **constants,
                "id": records.ids(),
                "raw": unchecked_text(records.texts),
                "received_at": now,
                "source": records.path,
            },
        ).table
        for records in found
    ]
    return Batch(pa.concat_tables(tables) if tables else SCHEMA.empty_table())
