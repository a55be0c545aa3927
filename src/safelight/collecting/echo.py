"""What a sink's dead letters are told of does not go to that sink: it would be refused as well, and told of again."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch
from ..event import Name

_TOLD: Final = pa.scalar(Name.DEAD_LETTERED.value)


def without_echo(events: Batch, sink: str) -> Batch:
    """The events, without what was said of the dead letters of this sink."""
    told = pc.fill_null(pc.equal(events["event"], _TOLD), fill_value=False)
    if not pc.any(told, min_count=0).as_py():
        return events
    pairs = zip(told.to_pylist(), events["attributes"].to_pylist(), strict=True)
    return events.where(pa.array([not (is_told and _sink(attributes) == sink) for is_told, attributes in pairs]))


def _sink(attributes: str | None) -> Any:
    try:
        return msgspec.json.decode(attributes or "{}").get("sink")
    except (msgspec.DecodeError, AttributeError):
        return None
