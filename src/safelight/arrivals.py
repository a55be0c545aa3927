"""A batch of raw lines with its checkpoint, as bytes: how one of our processes hands it to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
import pyarrow as pa

from .batch import SCHEMA, Batch, Checkpoint
from .errors import InputError

MEDIA_TYPE: Final = "application/vnd.apache.arrow.stream"
INGEST: Final = "ingest:"
"""How the positions of imported files are keyed: a sender may move no others."""
_LABEL: Final = b"safelight"


class Label(msgspec.Struct):
    """What travels beside the rows."""

    checkpoint: dict[str, str | None] = {}
    service: str | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Consignment:
    """Raw lines of one service, what they advance, and an id under which they are stored once."""

    batch: Batch
    label: Label

    @classmethod
    def of(cls, batch: Batch, checkpoint: Checkpoint, service: str | None, batch_id: str | None) -> Consignment:
        """One to send."""
        return cls(batch, Label(dict(checkpoint), service, batch_id))

    def dump(self) -> bytes:
        """As an Arrow IPC stream (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format)."""
        schema = SCHEMA.with_metadata({_LABEL: msgspec.json.encode(self.label)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(self.batch.table.cast(schema))
        return bytes(sink.getvalue())

    @classmethod
    def parse(cls, body: bytes) -> Consignment:
        """From what `dump` wrote. Raises InputError for anything else."""
        try:
            table = pa.ipc.open_stream(body).read_all()
            label = msgspec.json.decode((table.schema.metadata or {}).get(_LABEL, b""), type=Label)
            table.validate()
            table.drop_columns(["raw"]).validate(full=True)  # `raw` may be anything: `parse` finds out
        except (pa.ArrowException, msgspec.MsgspecError, OSError, KeyError) as error:
            raise InputError("web.not_a_consignment", reason=str(error)) from error
        if not table.schema.equals(SCHEMA) or any(not key.startswith(INGEST) for key in label.checkpoint):
            raise InputError("web.not_a_consignment", reason="schema")
        return cls(Batch(table.replace_schema_metadata(None)), label)
