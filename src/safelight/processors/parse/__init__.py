"""Lines into events: JSON by a typed decoder, text by the grammar of the service; what is neither is kept and flagged.

A batch may mix both, each line goes its own way, and no line can make the step fail. Limits: a line is read up to
1 MiB, JSON up to 100 levels deep; what is beyond is kept in `raw` and says so in `parse_error`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, cast
from zoneinfo import ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from ...batch import SCHEMA, Batch, Process
from ...event import FIELDS
from ...services import Profile, profile
from ...services.times import zone_of
from .. import Processor, WrongSetting
from .columns import Columns, finish
from .line import read
from .shape import Learner


def _known_zone(name: str) -> str:
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WrongSetting("parse.unknown_zone", zone=name) from error
    return name


Timezone = Annotated[str, AfterValidator(_known_zone)]
"""The IANA name of a zone, checked when the configuration is read."""


class Parse(Processor):
    """Understand lines. Every source has this step first; put it into `[[processors]]` only to parse again."""

    type: Literal["parse"] = "parse"
    profile: str | None = None
    """The service whose grammar text lines have, such as `comfyui`; by default that of any Python program."""
    timezone: Timezone | None = None
    """IANA name of the zone of times that carry none; the host's by default."""

    example: ClassVar[dict[str, Any]] = {"profile": "comfyui", "timezone": "Asia/Shanghai"}

    def build(self) -> Process:
        """The step. It learns which fields the lines have, to decode the next ones faster."""
        known = profile(self.profile)
        zone = zone_of(self.timezone)
        learner = Learner()

        def parse(batch: Batch) -> Batch:
            ready = batch["raw"].null_count  # a source that speaks in events has no lines
            if ready == len(batch):
                return batch
            if ready:
                return _beside(batch, parse)
            columns = _columns(_lines(batch), learner, known)
            arrays = finish(columns, batch, zone)
            return Batch(pa.Table.from_arrays([_column(name, arrays, batch) for name in FIELDS], schema=SCHEMA))

        return parse


def _beside(batch: Batch, parse: Process) -> Batch:
    """Only the rows that hold a line are parsed; the order stays."""
    ready = pc.is_null(batch["raw"])
    lines = parse(batch.where(pc.invert(ready)))
    both = pa.concat_tables([lines.table, batch.where(ready).table.cast(SCHEMA)])
    order = pc.array_sort_indices(ready.combine_chunks())
    return Batch(both.take(pc.array_sort_indices(order)))


def _lines(batch: Batch) -> list[bytes]:
    raw = batch["raw"]
    return cast("list[bytes]", (raw if pa.types.is_binary(raw.type) else raw.cast(pa.binary())).to_pylist())


def _columns(lines: list[bytes], learner: Learner, known: Profile) -> Columns:
    """The columns as written in the lines: the typed decoder takes what it can, the rest is read one by one."""
    shape = learner.shape_for(lines)
    columns, odd = shape.decode(lines)
    for row in odd:
        fields, keys = read(lines[row], known.grammar)
        columns.put(row, fields)
        learner.met(keys)
    learner.learn()
    return columns


def _column(name: str, arrays: dict[str, Any], batch: Batch) -> Any:
    """What the line says, or else what the source said."""
    said = arrays.get(name)
    if name == "raw":  # the source's `raw` is the line itself, kept only when it was not understood
        return said if said is not None else pa.nulls(len(batch), pa.string())
    given = batch[name]
    if said is None or given.null_count == len(given):
        return given if said is None else said
    return pc.coalesce(said, given)
