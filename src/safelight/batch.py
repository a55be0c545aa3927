"""The one thing that flows: a batch of events, held as columns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate
from types import ModuleType
from typing import Any, Final, cast

import pyarrow as pa

from .event import FIELDS, Kind

if find_spec("dateutil") is None:
    # Arrow asks for it whenever it finds out the type of a Python value, such as a constant in a kernel's arguments.
    # Each time in vain, that takes 50 us, as the whole path is searched again; this way 7.
    sys.modules["dateutil"] = cast("ModuleType", None)

_ARROW: Final = {
    Kind.TEXT: pa.string(),
    Kind.TIME: pa.timestamp("us", tz="UTC"),
    Kind.NUMBER: pa.float64(),
    Kind.JSON: pa.string(),
}

SCHEMA: Final = pa.schema([(name, _ARROW[kind]) for name, kind in FIELDS.items()])
"""Every batch has exactly these columns, from the source to the store; a column nobody filled is all null."""

Checkpoint = Mapping[str, str | None]
"""What becomes true with a batch: where each source may continue, as opaque text by key. None forgets the key.
The store commits it in the same frame as the events it covers (laws, 1)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events as columns. Immutable: every step returns a new batch."""

    table: pa.Table

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Batch:
        """A batch of a few rows given as mappings (for what we say ourselves and for tests, not for hot paths)."""
        return cls(pa.Table.from_pylist([dict(row) for row in rows], schema=SCHEMA))

    @classmethod
    def from_columns(cls, length: int, columns: Mapping[str, Any]) -> Batch:
        """A batch of `length` rows. A list or array is a column, anything else a constant; absent columns are null."""
        arrays = []
        for field in SCHEMA:
            value = columns.get(field.name)
            if isinstance(value, pa.Array | pa.ChunkedArray):
                arrays.append(value if value.type == field.type else value.cast(field.type))
            elif isinstance(value, list | tuple):
                arrays.append(pa.array(value, field.type))
            elif value is None:
                arrays.append(pa.nulls(length, field.type))
            else:
                arrays.append(pa.repeat(pa.scalar(value, field.type), length))
        return cls(pa.Table.from_arrays(arrays, schema=SCHEMA))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getitem__(self, column: str) -> pa.ChunkedArray:
        return self.table[column]

    def where(self, mask: Any) -> Batch:
        """The rows whose mask is true."""
        return Batch(self.table.filter(mask))

    def with_column(self, name: str, values: Any) -> Batch:
        """The same batch with one column replaced by an array, or by a constant."""
        index = SCHEMA.get_field_index(name)
        field = SCHEMA.field(index)
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            values = pa.repeat(pa.scalar(values, field.type), len(self))
        elif values.type != field.type:
            values = values.cast(field.type)
        return Batch(self.table.set_column(index, field, values))


def unchecked_text(texts: Sequence[bytes | memoryview]) -> pa.Array:
    """Bytes as a text column, not asking whether they are UTF-8: `parse` finds out, and says so in the event. Joined in
    one go they take 0.45 us each, appended by `pa.array` 0.85."""
    offsets = pa.array(list(accumulate(map(len, texts), initial=0)), pa.int32())
    return pa.StringArray.from_buffers(len(texts), offsets.buffers()[1], pa.py_buffer(b"".join(texts)))


Process = Callable[[Batch], Batch]
"""A step of the pipeline. Return fewer events to drop some; never mutate."""


def compose(steps: Iterable[Process]) -> Process:
    """The steps, one after the other, as one step. Stops at the first that leaves nothing."""
    chain = tuple(steps)

    def run(batch: Batch) -> Batch:
        for step in chain:
            if not len(batch):
                return batch
            batch = step(batch)
        return batch

    return run
