"""Prompts and workflows: large texts that many runs share, kept once, beside the events.

    documents/ab/abcd….zst          a whole document, its name the SHA-256 of the text that its sender had
    documents/ab/abcd….3-7.part     the fourth of seven parts, until the others are there

A run tells of its documents in events `run_document`, one a part, and then refers to them by hash. The step takes these
events out of a batch and makes them durable before the batch is: a run that is stored never refers to a document that a
crash took. What is read again after a crash is the same document again. The time of a file is when a run last referred
to its document; retention goes by it.

Redaction on the way in may change a text after its sender hashed it. Such a document is kept, under the name that its
run knows, and says that it was altered.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256 as digest
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from .batch import Batch, Process
from .disk import ASIDE, publish, sync_directory
from .event import Name
from .locales import text
from .processors.rows import flat, replaced
from .store.refusals import batch_refused

DIRECTORY: Final = "documents"
"""Its name within the data directory."""
MOST_PARTS: Final = 4_096
"""A document of more parts is refused. 8 MB, the most that is sent, is some 350 parts when they are full."""
MOST_TEXT: Final = 65_536
"""Characters of one part; a sender sends 24,000, and redaction may add to them."""
MOST_BYTES: Final = 64 * 1024 * 1024
"""A kept document that unpacks to more is not read: nobody sent us that."""
TOUCH_EVERY_S: Final = 3_600.0
"""A document that is referred to again within this time is not marked again: retention counts days."""
FORGET_PARTS_AFTER: Final = timedelta(days=7)
"""Parts whose others never came."""
LEVEL: Final = 6
"""Of zstd: a prompt of 20 kB shrinks to a tenth."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_OURS: Final = pa.array([Name.RUN_DOCUMENT.value, Name.RUN_QUEUED.value, Name.RUN_REJECTED.value])
_WHOLE: Final = ".zst"
_PART: Final = ".part"
_SHOWN: Final = 200


class Part(msgspec.Struct, frozen=True):
    """The attributes of an event `run_document`. Decoding checks them."""

    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    kind: Literal["prompt", "workflow", "extra"]
    part: Annotated[int, msgspec.Meta(ge=0, lt=MOST_PARTS)]
    parts: Annotated[int, msgspec.Meta(ge=1, le=MOST_PARTS)]
    text: Annotated[str, msgspec.Meta(max_length=MOST_TEXT)]

    def __post_init__(self) -> None:
        if self.part >= self.parts:
            raise ValueError("`part` is not one of `parts`")


class References(msgspec.Struct, frozen=True):
    """What the events of a run say about its documents."""

    prompt_sha256: str | None = None
    workflow_sha256: str | None = None
    extra_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A kept text."""

    text: str
    altered: bool
    """Whether something was taken out of it after its sender hashed it."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """What retention removed."""

    documents: int
    bytes: int


_part: Final = msgspec.json.Decoder(Part)
_references: Final = msgspec.json.Decoder(References)


class Documents:
    """The documents under a directory, which need not exist. One process writes; any may read. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = Lock()
        self._touched: dict[str, float] = {}

    def step(self) -> Process:
        """Takes documents out of a batch, durable. Raises StoreError when they cannot be written, as the store does."""

        def take(batch: Batch) -> Batch:
            ours = pc.is_in(batch["event"], value_set=_OURS)
            if not pc.any(ours).as_py():
                return batch
            return self._taken(batch, flat(ours))

        return take

    def get(self, sha256: str) -> str | None:
        """The text; None until all of its parts are there."""
        document = self.read(sha256)
        return document.text if document else None

    def read(self, sha256: str) -> Document | None:
        """The document; None until all of its parts are there, and when its file is damaged."""
        if not _SHA256.fullmatch(sha256):
            return None
        try:
            unpacked = _unpacked(self._whole(sha256))
            return Document(unpacked.decode(), altered=digest(unpacked).hexdigest() != sha256)
        except (OSError, zstandard.ZstdError, UnicodeDecodeError):
            return None

    def kept(self, sha256: str) -> bool:
        """Whether all of it is there."""
        return bool(_SHA256.fullmatch(sha256)) and self._whole(sha256).exists()

    def tidy(self, older_than: timedelta | None) -> Tidied:
        """Remove the documents that no run has referred to for so long, none without a limit; and stray parts.

        Raises StoreError.
        """
        removed = size = 0
        now = time.time()
        with self._lock:
            try:
                for path in self._files():
                    age = timedelta(seconds=now - path.stat().st_mtime)
                    if path.suffix == _WHOLE and older_than is not None and age > older_than:
                        removed, size = removed + 1, size + path.stat().st_size
                        self._touched.pop(path.stem, None)
                        path.unlink()
                    elif path.suffix in {_PART, ASIDE} and age > FORGET_PARTS_AFTER:
                        path.unlink()
            except OSError as error:
                raise batch_refused(error) from error
        return Tidied(removed, size)

    def _files(self) -> Iterator[Path]:
        yield from (path for path in self.directory.glob("??/*") if path.is_file())

    def _whole(self, sha256: str) -> Path:
        return self.directory / sha256[:2] / f"{sha256}{_WHOLE}"

    def _taken(self, batch: Batch, ours: pa.Array) -> Batch:
        """The batch without the documents; those that are none stay, flagged."""
        indices = pc.indices_nonzero(ours).to_pylist()
        rows = batch.table.select(["event", "attributes"]).filter(ours).to_pylist()
        found: list[Part] = []
        taken: set[int] = set()
        refused: dict[int, tuple[str, str]] = {}
        referred: set[str] = set()
        for index, row in zip(indices, rows, strict=True):
            written = (row["attributes"] or "{}").encode()
            if row["event"] != Name.RUN_DOCUMENT:
                referred.update(_referred(written))
                continue
            try:
                found.append(_part.decode(written))
                taken.add(index)
            except (msgspec.MsgspecError, ValueError) as error:
                refused[index] = (str(error), row["attributes"] or "")
        self._keep(found, referred)
        if refused:
            batch = _flagged(batch, refused)
        if not taken:
            return batch
        return batch.where(pa.array([index not in taken for index in range(len(batch))]))

    def _keep(self, parts: Iterable[Part], referred: set[str]) -> None:
        by_document: dict[tuple[str, int], dict[int, str]] = {}
        for part in parts:
            by_document.setdefault((part.sha256, part.parts), {})[part.part] = part.text
        with self._lock:
            try:
                for (sha256, count), texts in by_document.items():
                    self._add(sha256, count, texts)
                for sha256 in {*referred, *(sha256 for sha256, _ in by_document)}:
                    self._touch(sha256)
            except OSError as error:
                raise batch_refused(error) from error

    def _add(self, sha256: str, count: int, texts: dict[int, str]) -> None:
        """Some parts of a document: with those that came before they may be all."""
        whole = self._whole(sha256)
        if whole.exists():
            return
        folder = whole.parent
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self.directory)
            sync_directory(self.directory.parent)
        earlier = {} if len(texts) == count else self._earlier(sha256, count)
        pieces = texts
        if len(earlier.keys() | texts.keys()) == count:
            pieces = _read_parts(earlier) | texts
        if len(pieces) < count:
            for number, part in texts.items():
                _write(folder / f"{sha256}.{number}-{count}{_PART}", part)
            return
        _write(whole, "".join(pieces[number] for number in range(count)))
        for path in folder.glob(f"{sha256}.*{_PART}"):
            path.unlink()

    def _earlier(self, sha256: str, count: int) -> dict[int, Path]:
        end = f"-{count}{_PART}"
        begin = f"{sha256}."
        found = self._whole(sha256).parent.glob(f"{begin}*{end}")
        return {int(path.name[len(begin) : -len(end)]): path for path in found}

    def _touch(self, sha256: str) -> None:
        now = time.time()
        if now - self._touched.get(sha256, 0.0) < TOUCH_EVERY_S:
            return
        try:
            os.utime(self._whole(sha256), (now, now))
        except FileNotFoundError:  # parts are still to come, or it was never sent
            return
        self._touched = {known: at for known, at in self._touched.items() if now - at < TOUCH_EVERY_S}
        self._touched[sha256] = now


def _referred(attributes: bytes) -> Iterator[str]:
    try:
        references = _references.decode(attributes)
    except msgspec.MsgspecError:  # a run of somebody else's; it has no documents here
        return
    for sha256 in (references.prompt_sha256, references.workflow_sha256, references.extra_sha256):
        if sha256 and _SHA256.fullmatch(sha256):
            yield sha256


def _write(path: Path, content: str) -> None:
    packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(content.encode())
    publish(path, lambda aside: _fill(aside, packed))


def _fill(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _read_parts(paths: dict[int, Path]) -> dict[int, str]:
    """Their texts. A damaged one is removed: its sender repeats it, and meanwhile others must go on."""
    texts = {}
    for number, path in paths.items():
        try:
            texts[number] = _unpacked(path).decode()
        except (zstandard.ZstdError, UnicodeDecodeError):
            path.unlink()
    return texts


def _unpacked(path: Path) -> bytes:
    """Raises ZstdError also for more than MOST_BYTES, which it would make room for because the file says so."""
    packed = path.read_bytes()
    if zstandard.frame_content_size(packed) > MOST_BYTES:
        raise zstandard.ZstdError("more than a document may have")
    return zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST_BYTES)


def _flagged(batch: Batch, refused: dict[int, tuple[str, str]]) -> Batch:
    """The events that claim to be part of a document and are not, with the reason and a beginning of what they hold."""
    mask = pa.array([index in refused for index in range(len(batch))])
    why: list[str | None] = [text("documents.refused", reason=reason) for reason, _ in refused.values()]
    shown: dict[str, Any] = {"parse_error": why}
    shown["attributes"] = [msgspec.json.encode({"document": held[:_SHOWN]}).decode() for _, held in refused.values()]
    shown["level"] = ["WARNING"] * len(refused)
    for name, values in shown.items():
        batch = replaced(batch, name, mask, values)
    return batch
