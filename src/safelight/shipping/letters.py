"""Dead letters: events that the other side refused, or that were given up. One JSON line each, with the reason.

    {"refused_at": "2026-11-22T10:00:00.000000Z", "sink": "elasticsearch", "reason": "mapper_parsing_exception ...",
     "batch": "5be0...-7-9", "event": {"id": ...}}

in files `SINK.NUMBER.ndjson`: several sinks may share a directory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from .. import disk
from ..batch import Batch
from ..errors import InputError
from ..event import FIELDS, Kind
from ..rows import iso
from ..sinks.rendering import joined, lines

FILE_BYTES: Final = 16 << 20
"""A file is closed when it has so many, and a new one begun."""
MOST_BYTES: Final = 1 << 30
"""Of all dead letters of a sink. Beyond it the oldest file goes, and its events are counted as dropped."""
PIECE: Final = 5_000
"""Letters read at once."""


class Letter(msgspec.Struct):
    """A line."""

    reason: str
    event: dict[str, msgspec.Raw]
    refused_at: str = ""
    sink: str = ""
    batch: str = ""


class Letters:
    """The dead letters of a sink. Not thread-safe; methods wait for the disk and raise OSError."""

    def __init__(self, directory: Path, sink: str) -> None:
        """Made if need be. Half a line at the end of a file is cut off: a crash left it, its event is still queued."""
        self.directory = directory
        self._sink = sink
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._counts = {path: _mended(path) for path in files(directory, sink)}
        self._sizes = {path: path.stat().st_size for path in self._counts}

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self._counts.values())

    def write(self, batch: Batch, reasons: Sequence[str], batch_id: str, at: datetime) -> int:
        """On the disk when it returns. How many older ones went to make room."""
        content = _rendered(batch, reasons, batch_id, at, self._sink)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = max(self.files(), key=_number, default=None)
        if path is None or self._sizes[path] + len(content) > FILE_BYTES:
            path = self._another()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            disk.write_all(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, self._sizes.get(path, 0))
            raise
        finally:
            os.close(descriptor)
        disk.sync_directory(self.directory)
        self._counts[path] = self._counts.get(path, 0) + len(batch)
        self._sizes[path] = self._sizes.get(path, 0) + len(content)
        return self._made_room()

    def files(self) -> list[Path]:
        """Oldest first. What somebody removed is forgotten."""
        for path in [path for path in self._counts if not path.exists()]:
            del self._counts[path], self._sizes[path]
        return sorted(self._counts, key=_number)

    def remove(self, path: Path) -> None:
        """Its letters are somewhere else, or nobody wants them."""
        path.unlink(missing_ok=True)
        disk.sync_directory(self.directory)
        del self._counts[path], self._sizes[path]

    def _another(self) -> Path:
        number = max(map(_number, self._counts), default=0) + 1
        return self.directory / f"{self._sink}.{number:06d}.ndjson"

    def _made_room(self) -> int:
        gone = 0
        while sum(self._sizes.values()) > MOST_BYTES and len(self._counts) > 1:
            oldest = self.files()[0]
            gone += self._counts[oldest]
            self.remove(oldest)
        return gone


def files(directory: Path, sink: str) -> list[Path]:
    """The files of dead letters of a sink, oldest first."""
    name = re.compile(re.escape(sink) + r"\.\d+\.ndjson")
    try:
        return sorted((path for path in directory.iterdir() if name.fullmatch(path.name)), key=_number)
    except FileNotFoundError:
        return []


def read(path: Path) -> Iterator[Batch]:
    """The events of a file, PIECE at a time. Raises InputError for a line that is no dead letter, OSError."""
    rows: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(_row(msgspec.json.decode(line, type=Letter)))
            except (msgspec.MsgspecError, ValueError) as error:
                raise InputError("shipping.not_a_letter", file=path, line=number, reason=str(error)) from error
            if len(rows) == PIECE:
                yield Batch.of(rows)
                rows = []
    if rows:
        yield Batch.of(rows)


def count(path: Path) -> int:
    """How many letters a file has."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def _row(letter: Letter) -> dict[str, Any]:
    return {name: _value(kind, letter.event[name]) for name, kind in FIELDS.items() if name in letter.event}


def _value(kind: Kind, raw: msgspec.Raw) -> Any:
    if kind is Kind.JSON:
        return bytes(raw).decode()
    if kind is Kind.TIME:
        return datetime.fromisoformat(msgspec.json.decode(raw, type=str))
    return msgspec.json.decode(raw, type=float if kind is Kind.NUMBER else str)


def _rendered(batch: Batch, reasons: Sequence[str], batch_id: str, at: datetime, sink: str) -> bytes:
    quoted = pa.array([msgspec.json.encode(reason).decode() for reason in reasons], pa.string())
    begun = f'{{"refused_at":"{iso(at)}","sink":{msgspec.json.encode(sink).decode()},"reason":'
    return joined(pc.binary_join_element_wise(begun, quoted, f',"batch":"{batch_id}","event":', lines(batch), "}", ""))


def _number(path: Path) -> int:
    return int(path.name.split(".")[-2])


def _mended(path: Path) -> int:
    """Cut off half a line; how many whole ones there are."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            last = file.read(end - start).rfind(b"\n")
            if last >= 0:
                end = start + last + 1
                break
            end = start
        if end < size:
            file.truncate(end)
    return count(path)
