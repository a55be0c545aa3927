"""What the store does behind its writer's back: seal full hot files, merge small segments, delete the superseded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa

from ..errors import StoreCorrupt, StoreError
from . import files
from .catalog import Hot, Segment
from .hot import HotReader
from .merge import choose, merge
from .recovery import Report
from .refusals import upkeep_refused
from .retention import Removed, overdue, summary
from .seal import seal
from .writer import Writer

PERIOD_S: Final = 60.0
"""How often it is looked whether the day of the hot file is over, and how long a failed attempt waits at most."""
RETRY_S: Final = 1.0
"""How long the first failed attempt of a row waits; each one after it twice as long as the one before."""


def pause_s(failures: int) -> float:
    """How long to wait after so many attempts that failed in a row."""
    return PERIOD_S if failures > 30 else min(PERIOD_S, RETRY_S * 2.0 ** (failures - 1))


class Stopped(Exception):
    """Gives up a merge that has just begun to matter less than closing."""


class Upkeep:
    """One thread. `quarantine` sets aside those of some segments that are damaged, and says whether any was.

    `report` hears of damaged files, and of the first failure of a row.
    """

    def __init__(
        self, directory: Path, writer: Writer, quarantine: Callable[[Sequence[Segment]], bool], report: Report
    ) -> None:
        self._directory = directory
        self._writer = writer
        self._quarantine = quarantine
        self._report = report
        self.problem: StoreError | None = None
        """What keeps the thread from its work; None as soon as it works again."""
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._working = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="safelight-store", daemon=True)

    def start(self) -> None:
        """Begin, at once if something waits."""
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Something waits to be sealed."""
        self._wake.set()

    def stop(self) -> None:
        """End; what was begun is given up and done after the next start."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        failures = 0
        while not self._stop.is_set():
            if failures:
                self._stop.wait(pause_s(failures))
            else:
                self._wake.wait(PERIOD_S)
            self._wake.clear()
            try:
                self.work()
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001  (the root of this thread: without it nothing is ever sealed)
                failures += 1
                self._fail(error)
            else:
                failures = 0
                self.problem = None

    def _fail(self, error: Exception) -> None:
        """No room, usually. Nothing is lost: the hot files stay, and it is tried again."""
        first = self.problem is None
        self.problem = error if isinstance(error, StoreError) else upkeep_refused(error)
        if first:
            with contextlib.suppress(Exception):  # a listener that fails must not end this thread
                self._report(self.problem)

    def work(self, *, finish_hot_file: bool = False) -> None:
        """Do all there is to do, now and in this thread. Raises OSError when the disk refuses."""
        self._writer.finish_hot_file(force=finish_hot_file)
        with self._working:
            while waiting := self._writer.waiting():
                self._check()
                self._seal(waiting[0])
            while group := choose(self._writer.snapshot().segments):
                self._check()
                try:
                    self._writer.replace(merge(self._directory, group, self._check))
                except (OSError, pa.ArrowException):
                    if not self._quarantine(group):
                        raise
            self._sweep()
        pa.default_memory_pool().release_unused()

    def retain(self, max_age: timedelta | None, max_bytes: int | None) -> Removed:
        """Delete the segments that are over the limits. Raises OSError when the disk refuses."""
        with self._working:
            # First what they supersede: it would come back to life without them.
            self._sweep()
            segments = overdue(self._writer.snapshot(), max_age, max_bytes, datetime.now(UTC))
            for one in segments:
                self._remove(one)
            return summary(segments)

    def _remove(self, segment: Segment) -> None:
        """Forgotten first, so that nobody asks for it; known again when it cannot be deleted."""
        self._writer.drop([segment.file])
        try:
            files.remove(segment.file.path)
        except OSError:
            self._writer.replace(segment)
            raise

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _seal(self, hot: Hot) -> None:
        reader = HotReader(hot.file).refresh() if hot.view is None else None
        view = reader.view() if reader else hot.view
        if view is not None and view.extent.events:
            self._writer.replace(seal(self._directory, hot.file, view))
        else:
            self._writer.drop([hot.file])
        if reader is not None and (reader.damaged or reader.end < hot.bytes):
            files.set_aside(hot.file.path)  # it broke while it waited; what was good in it is sealed
            self._report(StoreCorrupt("store.damaged", file=hot.file.path.name, reason=f"{hot.bytes} bytes"))
        else:
            files.remove(hot.file.path)

    def _sweep(self) -> None:
        """Delete superseded files, also those that could not be deleted when they were superseded."""
        _, superseded = files.split_superseded(files.listing(self._directory))
        for file in superseded:
            files.remove(file.path)
