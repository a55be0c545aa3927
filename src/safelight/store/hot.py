"""The hot file: appended to and synced before anything is acknowledged, its events kept in memory as written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from .. import disk
from . import files, frame
from .chunks import Chunks, View, number
from .files import StoreFile
from .frame import Note

REMEMBERED_BATCHES: Final = 10_000
"""How many batch ids are known, across restarts too. An older batch that is sent again is stored again; agents resend
within minutes, and ten thousand batches are hours."""

MAX_EVENTS: Final = 131_072
MAX_BYTES: Final = 32 << 20
"""A hot file is sealed when it holds this many events or bytes, or when its day is over (UTC)."""


@dataclass(slots=True)
class State:
    """What every commit moves forward: where sources continue, which batches are known, the next number."""

    checkpoint: dict[str, str] = field(default_factory=dict)
    """In the order in which they moved last."""
    batch_ids: dict[str, tuple[int, int]] = field(default_factory=dict)
    next_seq: int = 1

    def apply(self, note: Note) -> None:
        """Take over what a frame says."""
        if note.opening is not None:
            self.batch_ids = dict(note.opening.batch_ids)
        for key, position in note.checkpoint.items():
            self.checkpoint.pop(key, None)
            if position is not None:
                self.checkpoint[key] = position
        if note.batch_id is not None:
            self.batch_ids[note.batch_id] = (note.first_seq, note.first_seq + note.rows - 1)
            if len(self.batch_ids) > REMEMBERED_BATCHES:
                del self.batch_ids[next(iter(self.batch_ids))]
        self.next_seq = max(self.next_seq, note.first_seq + note.rows)


class HotReader:
    """Reads a hot file, and later only what was added to it: at recovery, and beside a writer in another process."""

    def __init__(self, file: StoreFile) -> None:
        self.file = file
        self._start_over()

    def _start_over(self) -> None:
        self.state = State()
        self.end = 0  # bytes; frames up to here are good and known
        self.torn = 0
        self.damaged: list[tuple[int, int]] = []
        self.day = ""
        self.salt: int | None = None
        self.schema: pa.Schema | None = None
        self._chunks = Chunks()

    def refresh(self) -> HotReader:
        """Read on. Raises OSError, FileNotFoundError when the file was sealed meanwhile."""
        with pa.OSFile(str(self.file.path), "rb") as file:
            if file.size() < self.end:
                self._start_over()  # the writer took back a commit that failed
            file.seek(self.end)
            reading = frame.read(file.read_buffer(), salt=self.salt)
        for one in reading.frames:
            self._take(one)
        self.damaged += [(start + self.end, stop + self.end) for start, stop in reading.damaged]
        self.end += reading.end
        self.torn = reading.torn
        return self

    def _take(self, one: frame.Frame) -> None:
        if one.note.opening is not None:
            self.salt, self.day = one.note.opening.salt, one.note.opening.day
            self.schema = pa.ipc.read_schema(one.payload)
        elif self.schema is not None and (batch := frame.unpack(one, self.schema)) is not None:
            self._chunks.add(number(batch, one.note.first_seq))
        self.state.apply(one.note)

    def view(self) -> View:
        """The events read so far."""
        return self._chunks.view()

    def chunks(self) -> Chunks:
        """The events read so far, to go on appending to them."""
        return self._chunks


class HotFile:
    """The hot file that is being written. Not thread-safe: the store's commit lock guards it."""

    def __init__(self, file: StoreFile, salt: int, day: str, size: int, chunks: Chunks) -> None:
        self.file = file
        self.day = day
        self.size = size  # bytes of good frames
        self.chunks = chunks
        self._salt = salt
        self._descriptor = os.open(file.path, os.O_WRONLY | os.O_APPEND)
        self._clean = False

    @classmethod
    def create(cls, directory: Path, file_number: int, state: State) -> HotFile:
        """A new file that knows everything its predecessors knew. It is complete and synced when it appears."""
        day = today()
        pieces, salt = frame.encode_opening(day, state.checkpoint, state.batch_ids, state.next_seq)
        content = b"".join(pieces)
        file = files.hot_file(directory, file_number)
        disk.publish(file.path, lambda aside: _write_new(aside, content))
        return cls(file, salt, day, len(content), Chunks())

    @classmethod
    def resume(cls, reader: HotReader) -> HotFile:
        """Go on with a file after its last good frame; a torn one behind it is cut off."""
        resumed = cls(reader.file, reader.salt or 0, reader.day, reader.end, reader.chunks())
        os.ftruncate(resumed._descriptor, resumed.size)
        return resumed

    def write(self, frames: Iterable[tuple[Note, frame.Packed]]) -> None:
        """Append frames and wait until they are on the disk. Raises OSError, and then none of them is in the file."""
        try:
            if not self._clean:
                os.ftruncate(self._descriptor, self.size)
                self._clean = True
            written = 0
            for note, packed in frames:
                for piece in frame.encode(note, packed.payload, self._salt):
                    written += disk.write_all(self._descriptor, piece)
            disk.sync_data(self._descriptor)
        except OSError:
            # What did reach the file is cut off, now or, when that fails too, before the next frame.
            self._clean = False
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += written

    def is_full(self, events: int) -> bool:
        """Whether it is time for the next file."""
        return events >= MAX_EVENTS or self.size >= MAX_BYTES or (events > 0 and self.day != today())

    def close(self) -> None:
        """Release the descriptor. Nothing needs flushing."""
        os.close(self._descriptor)


def today() -> str:
    """The UTC date, as openings carry it."""
    return datetime.now(UTC).date().isoformat()


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        disk.write_all(descriptor, content)
    finally:
        os.close(descriptor)
