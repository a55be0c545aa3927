"""Texts within events, understood once more: JSON inside a message, an access log, pairs of logfmt.

What a text says takes the place of what was known; a text that no format understands stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ...batch import SCHEMA, Batch, Process
from ...event import FIELDS, Name
from ...services.grammar import Fields
from ..paths import column_of, found, path_of, read, values, written
from ..rows import flat
from .clock import instants
from .columns import Columns, failures, levels, origins
from .formats import Reader
from .line import CUT, FOREIGN

ORIGINAL: Final = "original"
"""The attribute that keeps a text with `keep_original`."""

_NO: Final = pa.scalar(False, pa.bool_())  # noqa: FBT003
_LOG: Final = pa.scalar(Name.LOG.value, pa.string())
_ARRIVED: Final = "timestamp_from"
_encode: Final = msgspec.json.Encoder().encode


def again(readers: Sequence[Reader], field: str, zone: tzinfo | None, *, chosen: bool, keep_original: bool) -> Process:
    """The step. `chosen`: somebody said which events, so all that have the field are read; otherwise a `message` is
    read only of plain lines and of what was not understood, and any other field of all events that have it."""
    column = column_of(field)

    def process(batch: Batch) -> Batch:
        texts, flagged = _texts(batch, field, column)
        wanted = texts.is_valid()
        if column == "message" and not chosen:
            plain = pc.fill_null(pc.equal(flat(batch["event"]), _LOG), _NO)
            wanted = pc.and_(wanted, pc.or_(plain, flagged))
        if not wanted.true_count:
            return batch
        places = pc.indices_nonzero(wanted).to_pylist()
        given = texts.filter(wanted).to_pylist()
        read_as = _understood(readers, given)
        hits = [at for at, fields in enumerate(read_as) if fields is not None]
        if not hits:
            return batch
        rows = pa.array([places[at] for at in hits], pa.int64())
        part = Batch(batch.table.take(rows).combine_chunks())
        known = [fields for fields in read_as if fields is not None]
        original = [given[at] for at in hits]
        new = _Reading(part, field, column, zone).settle(known, original, keep_original=keep_original)
        mask = _mask(len(batch), rows)
        for name, column_values in new.items():
            batch = batch.with_column(name, pc.replace_with_mask(flat(batch[name]), mask, column_values))
        return batch

    return process


def _texts(batch: Batch, field: str, column: str | None) -> tuple[pa.Array, pa.BooleanArray]:
    """What is to be read in each event, and which events were not understood before: of these it is the whole line."""
    raw = flat(batch["raw"])
    flagged = pc.and_(raw.is_valid(), flat(batch["parse_error"].is_valid()))
    texts = values(batch, field)
    return (pc.if_else(flagged, raw, texts) if column == "message" else texts), flagged


def _understood(readers: Sequence[Reader], texts: list[str]) -> list[Fields | None]:
    """By the first format that can."""
    fields: list[Fields | None] = [None] * len(texts)
    left = list(range(len(texts)))
    for one in readers:
        for at, got in zip(left, one([texts[at] for at in left]), strict=True):
            fields[at] = got
        left = [at for at in left if fields[at] is None]
        if not left:
            break
    return fields


def _mask(length: int, rows: pa.Array) -> pa.BooleanArray:
    picked = bytearray(length)
    for row in rows.to_pylist():
        picked[row] = 1
    return pa.Array.from_buffers(pa.uint8(), length, [None, pa.py_buffer(picked)]).cast(pa.bool_())


class _Reading:
    """Some events, and what their texts say."""

    def __init__(self, part: Batch, field: str, column: str | None, zone: tzinfo | None) -> None:
        self._part = part
        self._field = field
        self._column = column
        self._zone = zone

    def settle(self, known: list[Fields], original: list[str], *, keep_original: bool) -> dict[str, Any]:
        """The columns of these events that are new."""
        part = self._part
        flagged = pc.and_(flat(part["raw"].is_valid()), flat(part["parse_error"].is_valid()))
        columns = Columns(len(known))
        for row, fields in enumerate(known):
            rest = fields.get("attributes") or {}
            if "id" in fields:  # events are told apart by what they were given on arrival
                rest = {**rest, "id": fields.pop("id")}
            fields.pop("received_at", None)
            columns.put(row, {**fields, "attributes": rest} if rest else fields)
        origins(columns, part)
        failures(columns)
        times = self._times(columns)
        named = columns.lists.get("level") or [None] * len(known)
        unnamed = pa.array([level is None for level in named], pa.bool_())
        levels(columns)
        self._attributes(columns, original, times.is_valid().to_pylist(), keep_original=keep_original)
        said = {name: pa.array(given, SCHEMA.field(name).type) for name, given in columns.lists.items()}
        said["timestamp"] = times
        kept = pc.and_not(unnamed, flagged)  # a level that nobody named was right before, unless nothing was understood
        said["level"] = pc.if_else(kept, pa.scalar(None, pa.string()), said["level"])
        settled = {name: self._said(name, values) for name, values in said.items() if name in FIELDS}
        return settled | self._flags(flagged) | self._message(said.get("message"), original, flagged)

    def _said(self, name: str, said: Any) -> Any:
        return said if name == "attributes" else pc.coalesce(said, flat(self._part[name]))

    def _times(self, columns: Columns) -> Any:
        written_as = columns.lists.pop("timestamp", None)
        if written_as is None:
            return pa.nulls(columns.rows, SCHEMA.field("timestamp").type)
        times = instants(written_as, self._zone, self._part["received_at"])
        for row, absent in enumerate(times.is_null().to_pylist()):
            if absent and written_as[row] is not None:
                columns.note(row, "timestamp", written_as[row])
        return times

    def _attributes(self, columns: Columns, original: list[str], timed: list[bool], *, keep_original: bool) -> None:
        """What was there, and what is new."""
        new = columns.lists.setdefault("attributes", [None] * columns.rows)
        for row, before in enumerate(flat(self._part["attributes"]).to_pylist()):
            record = (read(before) or {}) if before else {}
            if timed[row]:
                record.pop(_ARRIVED, None)
            if self._column is None and (holder := found(record, path_of(self._field))):
                del holder[0][holder[1]]
            record |= read(new[row].decode() if isinstance(new[row], bytes) else new[row]) or {}
            if keep_original:
                record[ORIGINAL] = original[row]
            new[row] = written(record)

    def _flags(self, flagged: pa.BooleanArray) -> dict[str, Any]:
        """Not understood no longer; but what was lost of a line stays lost."""
        error = flat(self._part["parse_error"])
        still = pc.or_(pc.starts_with(error, CUT), pc.starts_with(error, FOREIGN))
        solved = pc.and_not(flagged, pc.fill_null(still, _NO))
        nothing = pa.scalar(None, pa.string())
        return {name: pc.if_else(solved, nothing, flat(self._part[name])) for name in ("parse_error", "raw")}

    def _message(self, said: Any, original: list[str], flagged: pa.BooleanArray) -> dict[str, Any]:
        """Its own, or the text that it was."""
        given = flat(self._part["message"])
        if self._column == "message":
            given = pc.if_else(flagged, pa.array(original, pa.string()), given)
        return {"message": given if said is None else pc.coalesce(said, given)}
