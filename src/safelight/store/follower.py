"""Reading beside a writer in another process: the files as they are now, listed again for every question."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ..errors import StoreCorrupt
from . import files
from .catalog import Hot, Segment, Snapshot, read_segment
from .files import StoreFile
from .hot import HotReader
from .recovery import Report

ATTEMPTS: Final = 20
"""How often the files are listed again when one of them is gone before it was opened."""


class Follower:
    """Knows the footers and frames it has read, so that listing again is cheap. Thread-safe; changes nothing."""

    def __init__(self, directory: Path, report: Report) -> None:
        self._directory = directory
        self._report = report
        self._lock = threading.Lock()
        self._segments: dict[StoreFile, Segment] = {}
        self._hots: dict[StoreFile, HotReader] = {}
        self._damaged: set[StoreFile] = set()

    def snapshot(self) -> Snapshot:
        """What the files hold now, up to the last whole frame."""
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    return self._read()
                except FileNotFoundError:
                    continue
            return self._read()

    def _read(self) -> Snapshot:
        listed = files.listing(self._directory)  # once: a file that is sealed in between would be in neither half
        segments = {file: one for file in listed if (one := self._segment(file))}
        hots = [file for file in listed if not file.sealed]
        live, _ = files.split_superseded([*segments, *hots])
        self._segments = {file: one for file, one in segments.items() if file in live}
        self._hots = {file: self._hots.get(file) or HotReader(file) for file in hots if file in live}
        return Snapshot(
            tuple(Hot.of(file, reader.refresh().view(), reader.end) for file, reader in self._hots.items()),
            tuple(self._segments.values()),
        )

    def _segment(self, file: StoreFile) -> Segment | None:
        if not file.sealed or file in self._damaged:
            return None
        try:
            return self._segments.get(file) or read_segment(file)
        except StoreCorrupt as problem:
            self.ignore([file])
            self._report(problem)
            return None

    def ignore(self, damaged: Iterable[StoreFile]) -> None:
        """Read some files no more: they are damaged, and only the writer may set them aside."""
        self._damaged.update(damaged)

    def checkpoint(self) -> Mapping[str, str]:
        """Where sources continue."""
        self.snapshot()
        return dict(self._newest().state.checkpoint) if self._hots else {}

    def last_seq(self) -> int:
        """The number of the newest event."""
        snapshot = self.snapshot()
        sealed = max((one.extent.max_seq for one in snapshot.segments), default=0)
        return max(sealed, self._newest().state.next_seq - 1 if self._hots else 0)

    def _newest(self) -> HotReader:
        return self._hots[max(self._hots)]
