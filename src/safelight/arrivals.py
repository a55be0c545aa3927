"""A batch with what travels beside it, as bytes: how one of our processes hands it to another.

Raw lines with their positions come from `safelight ingest`, understood events from an agent. Both are an Arrow IPC
stream (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format) whose schema carries the label. Of what
comes in nothing is believed: a sender may be older or newer than we are, or mean harm. Every column must be of a plain
type and uncompressed, so that a consignment takes no more memory than its bytes and the columns it lacks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from .batch import SCHEMA, Batch, Checkpoint
from .errors import InputError
from .event import LEVELS, level_of
from .identifier import uuid7
from .locales import text

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"
INGEST: Final = "ingest:"
"""How the positions of imported files are keyed: a sender may move no others."""
MOST_EVENTS: Final = 100_000
"""Understood events in a consignment, as many as a sink puts into a batch at most."""
NAME_MAX: Final = 200
"""Characters of an agent's name and of a batch id."""
POSITIONS_MAX: Final = 100
POSITION_MAX: Final = 65_536
"""Positions in a label, an import moves one of them; and characters of one, most of them the path of a file."""
_LABEL: Final = b"safelight"
_PLAIN: Final = (pa.types.is_string, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating)
"""Of columns that we do not know: what becomes an attribute."""


class Label(msgspec.Struct):
    """What travels beside the rows."""

    checkpoint: dict[str, str | None] = {}
    service: str | None = None
    batch_id: str | None = None
    understood: bool = False
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Consignment:
    """Raw lines of one service and what they advance, or the events of an agent; and an id under which they are stored
    once."""

    batch: Batch
    label: Label

    @classmethod
    def of(cls, batch: Batch, checkpoint: Checkpoint, service: str | None, batch_id: str | None) -> Consignment:
        """Raw lines to send."""
        return cls(batch, Label(dict(checkpoint), service, batch_id))

    @classmethod
    def understood(cls, batch: Batch, agent: str, batch_id: str) -> Consignment:
        """Events to send."""
        return cls(batch, Label(batch_id=batch_id, understood=True, agent=agent))

    def dump(self) -> bytes:
        """As an Arrow IPC stream."""
        schema = SCHEMA.with_metadata({_LABEL: msgspec.json.encode(self.label)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(self.batch.table.cast(schema))
        return bytes(sink.getvalue())

    @classmethod
    def parse(cls, body: bytes) -> Consignment:
        """From what `dump` wrote, of this version or another. Raises InputError for anything else."""
        try:
            _refuse_compressed(body)
            table = pa.ipc.open_stream(body).read_all()
            label = msgspec.json.decode((table.schema.metadata or {}).get(_LABEL, b""), type=Label)
            table.validate()
            # In raw lines, `raw` may be anything: `parse` finds out.
            (table if label.understood else table.drop_columns(["raw"])).validate(full=True)
        except (pa.ArrowException, msgspec.MsgspecError, OSError, LookupError, ValueError, struct.error) as error:
            raise InputError("web.not_a_consignment", reason=str(error)) from error
        names = (label.agent, label.batch_id, *label.checkpoint)
        if (
            any(not key.startswith(INGEST) for key in label.checkpoint)
            or any(len(name or "") > NAME_MAX for name in names)
            or len(label.checkpoint) > POSITIONS_MAX
            or any(len(position or "") > POSITION_MAX for position in label.checkpoint.values())
        ):
            raise InputError("web.not_a_consignment", reason="label")
        if not label.understood:
            if not table.schema.equals(SCHEMA):
                raise InputError("web.not_a_consignment", reason="schema")
            return cls(Batch(table.replace_schema_metadata(None)), label)
        return cls(_sound(_fitted(table)), label)


def _fitted(table: pa.Table) -> Batch:
    """The columns by their names: those that the sender does not know are empty, those that we do not know become
    attributes."""
    names = table.column_names
    # Without a column of its own size a batch of any length is a few bytes.
    if "id" not in names or len(set(names)) < len(names) or table.num_rows > MOST_EVENTS:
        raise InputError("web.not_a_consignment", reason="schema")
    for field in table.schema:
        ours = SCHEMA.field(field.name).type if field.name in SCHEMA.names else None
        if field.type != ours if ours else not any(plain(field.type) for plain in _PLAIN):
            raise InputError("web.not_a_consignment", reason=f"{field.name}: {field.type}")
    batch = Batch.from_columns(table.num_rows, {name: table[name] for name in names if name in SCHEMA.names})
    more = [name for name in names if name not in SCHEMA.names]
    if not more:
        return batch
    found = []
    for attributes, row in zip(batch["attributes"].to_pylist(), table.select(more).to_pylist(), strict=True):
        known = {} if attributes is None else _object(attributes)
        if known is None:  # it stays as it is: `_sound` says so
            found.append(attributes)
            continue
        mixed = {name: value for name, value in row.items() if value is not None} | known
        found.append(msgspec.json.encode(mixed).decode() if mixed else None)
    return batch.with_column("attributes", pa.array(found, pa.string()))


def _sound(batch: Batch) -> Batch:
    """What every event must have, it has: an id, its times, a level of ours or none, attributes that are an object."""
    now = pa.scalar(datetime.now(UTC), SCHEMA.field("received_at").type)
    batch = batch.with_column("received_at", pc.fill_null(batch["received_at"], now))
    batch = batch.with_column("timestamp", pc.coalesce(batch["timestamp"], batch["received_at"]))
    if pc.any(pc.equal(pc.fill_null(batch["id"], ""), "")).as_py():
        batch = batch.with_column("id", pa.array([id_ or uuid7() for id_ in batch["id"].to_pylist()], pa.string()))
    if not pc.all(pc.is_in(batch["level"], pa.array([*LEVELS, None]))).as_py():
        levels = [level_of(level) for level in batch["level"].to_pylist()]
        batch = batch.with_column("level", pa.array(levels, pa.string()))
    attributes = batch["attributes"].to_pylist()
    wrong = [given is not None and _object(given) is None for given in attributes]
    if not any(wrong):
        return batch
    mask = pa.array(wrong)
    raw = pc.if_else(mask, batch["attributes"], batch["raw"])
    reasons = pc.if_else(mask, pa.scalar(text("web.no_attributes")), batch["parse_error"])
    batch = batch.with_column("raw", raw).with_column("parse_error", reasons)
    return batch.with_column("attributes", pc.if_else(mask, pa.scalar(None, pa.string()), batch["attributes"]))


def _object(attributes: str | None) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(attributes or b"", type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        return None


_DICTIONARY_BATCH: Final = 2
_RECORD_BATCH: Final = 3
_COMPRESSION: Final = 3


def _refuse_compressed(body: bytes) -> None:
    """A stream whose buffers are compressed, or refer to a dictionary, may become any multiple of its size in memory.

    pyarrow does not say so before it has decompressed them; the header of a message does
    (https://github.com/apache/arrow/blob/main/format/Message.fbs: Message.header, RecordBatch.compression).
    """
    for message in pa.ipc.MessageReader.open_stream(body):
        header = message.metadata.to_pybytes()
        (root,) = struct.unpack_from("<I", header, 0)
        kind_at, table_at = _field(header, root, 1), _field(header, root, 2)
        kind = header[kind_at] if kind_at else 0
        if kind == _DICTIONARY_BATCH:
            raise InputError("web.not_a_consignment", reason="dictionary")
        if kind == _RECORD_BATCH:
            record = table_at + struct.unpack_from("<I", header, table_at)[0]
            if _field(header, record, _COMPRESSION):
                raise InputError("web.not_a_consignment", reason="compression")


def _field(buffer: bytes, table: int, number: int) -> int:
    """Where a field of a FlatBuffers table is; 0 when it has none (https://flatbuffers.dev/internals/)."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", buffer, vtable)[0]:
        return 0
    offset: int = struct.unpack_from("<H", buffer, vtable + at)[0]
    return table + offset if offset else 0
