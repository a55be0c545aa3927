"""Files imported once: into the data directory, or through the server that owns it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow.compute as pc

from .arrivals import INGEST, MEDIA_TYPE, Consignment
from .batch import Batch, Checkpoint, Process, compose
from .config import load
from .documents import DIRECTORY as DOCUMENTS
from .documents import Documents
from .errors import InputError
from .identifier import uuid7
from .paths import data_directory
from .pipeline import chain
from .processors import Processor
from .services import profile
from .services.joiner import Joiner
from .store import Store
from .store.segments import SegmentStore
from .tail.batches import raw_batch
from .tail.once import imported_before, read_once


class Destination(Protocol):
    """Where imported lines go."""

    def done(self) -> Mapping[str, str]:
        """How far each file was imported before."""
        ...

    def take(self, batch: Batch, checkpoint: Checkpoint, service: str | None) -> dict[str, int]:
        """Make it durable; returns how many `events` it became and how many were `not_understood`."""
        ...


class Api(Protocol):
    """A server, as far as importing needs it."""

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The JSON answer to a question."""
        ...

    def post(self, path: str, body: bytes, media_type: str) -> Any:
        """The JSON answer to a body."""
        ...


MOST_FILES: Final = 10_000
"""Files of which it is known how far they were imported, 300 bytes each, in memory and in every hot file. Beyond it
the one that was imported longest ago is forgotten: imported again, its lines are there twice."""


def moved(checkpoint: Checkpoint, done: Mapping[str, str]) -> Checkpoint:
    """What becomes true with a part of an import, after what is `done`, longest ago first."""
    excess = len(done) + len(checkpoint.keys() - done.keys()) - MOST_FILES
    if excess <= 0:
        return checkpoint
    forgotten = [key for key in done if key not in checkpoint][:excess]
    return {**dict.fromkeys(forgotten), **checkpoint}


def outcome(events: Batch) -> dict[str, int]:
    """What a batch became."""
    return {"events": len(events), "not_understood": int(pc.sum(pc.is_valid(events["parse_error"])).as_py() or 0)}


@dataclass
class Local:
    """Into a store that this process owns for the time being."""

    store: Store
    documents: Documents
    processors: tuple[Processor, ...] = ()
    _chains: dict[str | None, Process] = field(default_factory=dict)

    def done(self) -> Mapping[str, str]:
        """From the store's checkpoint."""
        return self.store.checkpoint(INGEST)

    def take(self, batch: Batch, checkpoint: Checkpoint, service: str | None) -> dict[str, int]:
        """Through the same steps as everything that arrives."""
        if service not in self._chains:
            self._chains[service] = compose([chain(self.processors, service), self.documents.step()])
        events = self._chains[service](batch)
        self.store.append(events, moved(checkpoint, self.done()))
        return outcome(events)


@dataclass
class Remote:
    """Through the running server."""

    server: Api

    def done(self) -> Mapping[str, str]:
        """As the server knows it."""
        return dict(self.server.get("/arrivals")["checkpoint"])

    def take(self, batch: Batch, checkpoint: Checkpoint, service: str | None) -> dict[str, int]:
        """As a consignment."""
        sent = Consignment.of(batch, checkpoint, service, uuid7())
        return dict(self.server.post("/arrivals", sent.dump(), MEDIA_TYPE))


@contextmanager
def destination(server: Api | None, config: Path | None, data: Path | None) -> Iterator[Destination]:
    """The running server, or the data directory itself, locked while we write into it.

    Raises ConfigError, StoreError.
    """
    if server is not None:
        yield Remote(server)
        return
    configuration = load(config)
    directory = data_directory(data or configuration.server.data)
    with SegmentStore.open(directory) as store:
        yield Local(store, Documents(directory / DOCUMENTS), configuration.processors)


@dataclass
class Imported:
    """What became of one file, also of one that could be read only in part."""

    counts: dict[str, int]
    """`lines` (records read), `events` stored, `not_understood` and `bytes`."""
    problem: InputError | None = None
    """Why reading ended before the file did."""
    empty: bool = False
    """Whether it holds nothing, unlike a file whose content was imported before."""


def import_file(path: str, service: str | None, target: Destination, *, again: bool = False) -> Imported:
    """Everything of a file that was not imported before."""
    counts = {"lines": 0, "events": 0, "not_understood": 0, "bytes": 0}
    grammar = profile(service).grammar
    done = target.done()
    try:
        for part in read_once(path, lambda: Joiner(grammar), done, again=again):
            batch = raw_batch([part.records], {"service": service})
            became = target.take(batch, part.checkpoint, service)
            counts["lines"] += len(batch)
            counts["bytes"] += part.size
            for name, count in became.items():
                counts[name] += count
    except InputError as error:
        return Imported(counts, error)
    return Imported(counts, empty=not counts["lines"] and (again or not imported_before(path, done)))
