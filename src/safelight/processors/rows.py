"""Columns of which only some rows change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..batch import SCHEMA, Batch


def flat(column: Any) -> pa.Array:
    """The column in one piece, as some kernels want it."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def replaced(batch: Batch, name: str, mask: pa.Array, values: Sequence[str | None]) -> Batch:
    """The batch with other text in the rows of `mask`, which has no nulls; one value for each."""
    texts = pa.array(values, SCHEMA.field(name).type)
    return batch.with_column(name, pc.replace_with_mask(flat(batch[name]), mask, texts))


def bytes_of(column: Any) -> memoryview:
    """All text of a column, one value after the other without anything between; of a column with the same value in all
    rows, such as where a line came from, that value once."""
    array = flat(column)
    if (
        len(array) > 1
        and not array.null_count
        and array[0].equals(array[-1])
        and pc.all(pc.equal(array, array[0])).as_py()
    ):
        array = array.slice(0, 1)
    _, offsets, data = array.buffers()
    if data is None or not len(array):
        return memoryview(b"")
    at = memoryview(offsets).cast("i")
    begin, end = at[array.offset], at[array.offset + len(array)]
    return memoryview(data)[begin:end]
