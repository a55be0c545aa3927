"""Columns while they are being filled, and what is settled once all lines are in: times, levels, ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ...batch import SCHEMA, Batch
from ...event import level_of
from ...services import tracebacks
from ...services.grammar import Fields
from .clock import instants

ID: Final = re.compile(r"[A-Za-z0-9._:/+=\-]{16,128}")
"""An id that a sender gave is taken for ours when it can be unique; shorter ones stay an attribute."""

ORIGINS: Final = ("source", "tag")
_ARRIVAL: Final = b'{"timestamp_from":"arrival"}'
_MAX_LEVELS: Final = 1_000

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Columns:
    """Lists by field name, all `rows` long. Values are as written in the line; attributes are JSON text."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.lists: dict[str, list[Any]] = {}

    def take(self, name: str, values: Sequence[Any]) -> None:
        """A whole column."""
        self.lists[name] = list(values)

    def put(self, row: int, fields: Fields) -> None:
        """All fields of one row, in place of what may be there."""
        for column in self.lists.values():
            column[row] = None
        for name, value in fields.items():
            if name not in self.lists:
                self.lists[name] = [None] * self.rows
            self.lists[name][row] = _encode(value) if name == "attributes" else value

    def note(self, row: int, key: str, value: object) -> None:
        """Keep something as an attribute of one row."""
        column = self.lists.setdefault("attributes", [None] * self.rows)
        column[row] = _encode({**(_decode(column[row]) if column[row] else {}), key: value})


def finish(columns: Columns, batch: Batch, zone: tzinfo | None) -> dict[str, Any]:
    """The columns as arrays of the schema's types. `batch` is what the source said about the same lines."""
    _ids(columns)
    origins(columns, batch)
    failures(columns)
    times = _times(columns, batch["received_at"], zone)
    levels(columns)
    arrays = {name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.lists.items()}
    return arrays | {"timestamp": times}


def _ids(columns: Columns) -> None:
    given = columns.lists.get("id")
    if given is None:
        return
    for row, value in enumerate(given):
        if value is not None and not ID.fullmatch(value):
            given[row] = None
            columns.note(row, "id", value)


def origins(columns: Columns, batch: Batch) -> None:
    """Where a line came in and its route are for the source to say; what the line says otherwise stays an attribute."""
    for name in ORIGINS:
        said = columns.lists.get(name)
        if said is not None and batch[name].null_count < columns.rows:
            for row, given in enumerate(batch[name].to_pylist()):
                if given is not None and said[row] is not None:
                    if said[row] != given:
                        columns.note(row, name, said[row])
                    said[row] = None


def failures(columns: Columns) -> None:
    """Loggers often give a traceback and leave its exception to the reader."""
    traces = columns.lists.get("traceback")
    if traces is None:
        return
    empty = [None] * columns.rows
    types = columns.lists.setdefault("error_type", list(empty))
    messages = columns.lists.setdefault("error_message", list(empty))
    for row, trace in enumerate(traces):
        if trace and types[row] is None:
            fell = tracebacks.failure(trace)
            types[row] = fell.error_type
            messages[row] = messages[row] or fell.error_message


def _times(columns: Columns, received_at: Any, zone: tzinfo | None) -> Any:
    written = columns.lists.pop("timestamp", None)
    if written is None:
        _flag_arrival(columns, range(columns.rows))
        return received_at
    times = instants(written, zone, received_at)
    if not times.null_count:
        return times
    missing = [row for row, absent in enumerate(times.is_null().to_pylist()) if absent]
    for row in missing:
        if written[row] is not None:
            columns.note(row, "timestamp", written[row])
    _flag_arrival(columns, missing)
    return pc.coalesce(times, received_at)


def _flag_arrival(columns: Columns, rows: Iterable[int]) -> None:
    notes = columns.lists.setdefault("attributes", [None] * columns.rows)
    for row in rows:
        text = notes[row]
        if not text:
            notes[row] = _ARRIVAL
        elif b'"timestamp_from"' in text:
            columns.note(row, "timestamp_from", "arrival")
        else:
            notes[row] = text[:-1] + b"," + _ARRIVAL[1:]


@lru_cache(maxsize=_MAX_LEVELS, typed=True)
def _level_of(value: str | int) -> str | None:
    try:
        return level_of(value)
    except ValueError:  # digits that are no number: "²", or thousands of them
        return None


def levels(columns: Columns) -> None:
    """Every event has a level; one that names none is an ERROR when it speaks of a failure, else INFO."""
    written = columns.lists.get("level") or [None] * columns.rows
    known = {value: _level_of(value) for value in set(written) if value is not None}
    levels = [known.get(value) for value in written]
    columns.lists["level"] = levels
    if None not in levels:
        return
    empty = [None] * columns.rows
    events, types = columns.lists.get("event", empty), columns.lists.get("error_type", empty)
    for row, level in enumerate(levels):
        if level is None:
            if written[row] is not None:
                columns.note(row, "level", written[row])
            failed = types[row] is not None or (events[row] or "").endswith(("_failed", "_lost"))
            levels[row] = "ERROR" if failed else "INFO"
