"""How many events one stands for: `attributes.sample_rate`, 10 for one of ten. `| stats sum(sample_rate)` counts them.

An event without it stands for itself.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch
from .attributes import merged
from .paths import mentions, read, written
from .rows import flat, replaced

NAME: Final = "sample_rate"


def weighted(batch: Batch, rows: pa.BooleanArray, weight: float) -> Batch:
    """The batch, each of these rows standing for `weight` times as many events as before."""
    known = pc.and_(mentions(batch, NAME), rows)
    new = pc.and_not(rows, known) if known.true_count else rows
    attributes = flat(batch["attributes"])
    if new.true_count:
        texts = merged(attributes.filter(new), {NAME: _figure(weight)}, only_missing=True)
        batch = batch.with_column("attributes", pc.replace_with_mask(attributes, new, texts))
    if known.true_count:
        again = [_again(text, weight) for text in attributes.filter(known).to_pylist()]
        batch = replaced(batch, "attributes", known, again)
    return batch


def _again(text: str | None, weight: float) -> str | None:
    """One that was sampled before, as by an agent."""
    record = read(text) or {}
    before = record.get(NAME)
    if isinstance(before, int | float) and not isinstance(before, bool) and before > 0:
        weight *= before
    return written({**record, NAME: _figure(weight)})


def _figure(weight: float) -> float | int:
    rounded = round(weight, 6)
    return int(rounded) if rounded.is_integer() else rounded
