"""A step for some events of a batch; the others pass, and all stay in their order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch, Process
from ..query.condition import condition
from ..query.mask import mask

Selection = Callable[[Batch], pa.BooleanArray]
"""Which rows; without nulls."""


def selection(where: str) -> Selection:
    """The rows for which a filter holds now."""
    holds = mask(condition(where))
    return lambda batch: holds(batch, datetime.now(UTC))


def only(where: str, step: Process) -> Process:
    """`step` on the events for which `where` holds. It may drop some of them, as long as it keeps their order."""
    select = selection(where)

    def process(batch: Batch) -> Batch:
        chosen = select(batch)
        count = chosen.true_count
        if not count:
            return batch
        return step(batch) if count == len(batch) else _among(batch, chosen, step)

    return process


def _among(batch: Batch, chosen: pa.BooleanArray, step: Process) -> Batch:
    given = batch.where(chosen)
    done = step(given)
    if done is given:
        return batch
    mine = pc.indices_nonzero(chosen)
    if len(done) != len(given):
        mine = mine.take(_kept(given, done))
    others = pc.invert(chosen)
    places = pa.concat_arrays([mine, pc.indices_nonzero(others)])
    both = pa.concat_tables([done.table, batch.table.filter(others)])
    return Batch(both.take(pc.array_sort_indices(places)))


def _kept(given: Batch, done: Batch) -> pa.Array:
    """The rows of `given` that are left, by their ids; those without one are the next without one."""
    wanted = iter(given["id"].to_pylist())
    place, kept = -1, []
    for left in done["id"].to_pylist():
        for one in wanted:
            place += 1
            if one == left:
                break
        kept.append(min(place, len(given) - 1))
    return pa.array(kept, pa.int64())
