"""The bounded queue between callers and the disk, and the one daemon thread that empties it.

A caller appends to a deque and goes on: no lock, no encoding, no system call but the one that wakes a sleeping
writer. The writer waits COALESCE after the first event, so that a burst becomes one write, and backs off while the
disk refuses.

Limits: CAPACITY = 10,000 waiting events, and RESERVE = 1,000 more for ERROR and CRITICAL. What comes beyond is dropped
and counted, and the count becomes an `events_dropped` event as soon as lines can be written again.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque

from .encode import new_id, stamp, to_bytes, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from .spool import Spool

    # When (ns since 1970), level, event name or None, and the fields: the process's, the bound, the event's own.
    Item: TypeAlias = tuple[int, Any, Any, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]

CAPACITY = 10_000
RESERVE = 1_000
COALESCE = 0.004  # seconds
BATCH_EVENTS, BATCH_CHARACTERS = 500, 500_000  # some 3 ms of encoding before others surely get their turn
BACK_OFF_FIRST, BACK_OFF_LAST = 0.1, 5.0  # seconds
REPORT_EVERY = 1.0  # seconds between two reports of drops while the queue never empties

_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_URGENT = frozenset({"ERROR", "CRITICAL", 40, 50})
_REASONS = {
    "queue_full": "came faster than they could be written",
    "unwritable": "the spool could not be written",
    "spool_full": "the spool reached its size and its oldest file was deleted",
    "failed": "the writer failed on them",
}


class Writer:
    """Takes events from any thread, signal handler or finalizer; writes them to `spool`, which may be exchanged."""

    def __init__(self, spool: Spool | None = None, capacity: int = CAPACITY) -> None:
        self.spool = spool
        self.capacity = capacity
        self._begin()

    def _begin(self) -> None:
        self._queue: deque[Item | threading.Semaphore] = deque()
        self._asleep = True  # nobody will look at the queue until roused
        self._wake = threading.Lock()
        self._wake.acquire()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._open: Spool | None = None  # the spool written to last
        self._static: Mapping[str, Any] = {}
        self._at_hand = 0  # events taken from the queue and not yet written
        self._flushes: list[threading.Semaphore] = []
        self._counting = threading.RLock()  # reentrant: a signal handler may interrupt its holder
        self._unreported: dict[str, int] = {}
        self._reported_at = 0.0
        self._failing = False
        self._last_error: str | None = None
        self._written = self._dropped = 0

    def after_fork(self) -> None:
        """In a forked child: an empty queue, a new folder, no thread yet. What was waiting is the parent's to write."""
        for spool in {self._open, self.spool}:
            if spool is not None:
                spool.close()
        if self.spool is not None:
            self.spool = self.spool.fresh()
        self._begin()

    # What callers do

    def push(self, item: Item) -> None:
        """Queues one event; drops and counts it when the queue is full."""
        queue = self._queue
        waiting = len(queue)
        if waiting >= self.capacity and not (item[1] in _URGENT and waiting < self.capacity + RESERVE):
            self._drop("unwritable" if self._failing else "queue_full", 1)
            return
        queue.append(item)
        if self._asleep:
            self._rouse()

    def flush(self, timeout: float = 2.0) -> bool:
        """Waits until all that was queued before, and what is known of drops, is on disk; False when `timeout` seconds
        were not enough.
        """
        if self._thread is None and not self._queue:
            return True
        if sys.is_finalizing():
            return False
        done = threading.Semaphore(0)
        self._queue.append(done)
        self._rouse()
        return done.acquire(timeout=timeout)

    def close(self, timeout: float = 2.0) -> bool:
        """Flushes and ends the thread; the next event starts another."""
        flushed = self.flush(timeout)
        if (thread := self._thread) is not None:
            self._closed = True
            self._rouse()
            thread.join(timeout)
        return flushed

    def health(self) -> dict[str, Any]:
        """`written`, `dropped`, `waiting` events; `failing` now or not; `last_error` as text; `folder` of the spool."""
        return {
            "written": self._written,
            "dropped": self._dropped,
            "waiting": len(self._queue) + self._at_hand,
            "failing": self._failing,
            "last_error": self._last_error,
            "folder": self.spool.folder if self.spool is not None else None,
        }

    def note(self, error: BaseException) -> None:
        """Remembers what went wrong, for `health`."""
        try:
            self._last_error = f"{stamp(time.time_ns())} {type(error).__name__}: {error}"
        except Exception:  # noqa: BLE001 - its __str__ is not ours
            self._last_error = type(error).__name__

    def _rouse(self) -> None:
        self._asleep = False
        if self._thread is None:
            self._start()
            return
        try:
            self._wake.release()
        except RuntimeError:
            pass  # roused already

    def _start(self) -> None:
        if not self._starting.acquire(blocking=False):
            return  # another caller is at it
        try:
            if sys.is_finalizing():  # a thread would never run, and starting it never return
                self._write_here()
            elif self._thread is None:
                thread = threading.Thread(target=self._run, name="safelight-emit", daemon=True)
                thread.start()
                self._thread = thread
                if (util := sys.modules.get("multiprocessing.util")) is not None:
                    # Children of multiprocessing leave by os._exit, without atexit, before Python 3.13.
                    util.Finalize(None, self.flush, exitpriority=0)
        except RuntimeError as error:  # no more threads: the interpreter is ending, or a limit of the system
            self.note(error)
            self._write_here()
        finally:
            self._starting.release()

    def _write_here(self) -> None:
        """The last resort without a thread: in the caller, tried once."""
        while self._queue or self._unreported:
            lines, moment = self._take()
            if self._written_now(to_bytes(lines), len(lines), moment):
                self._written += self._at_hand
            else:
                self._dropped += self._at_hand
            self._settle()
        self._asleep = True

    def _drop(self, reason: str, count: int) -> None:
        with self._counting:
            self._dropped += count
            self._unreported[reason] = self._unreported.get(reason, 0) + count

    # What the thread does

    def _run(self) -> None:
        while not self._closed:
            try:
                self._sleep()
                while self._queue or self._unreported:
                    self._write(*self._take())
            except BaseException as error:  # noqa: BLE001 - this thread does not die of anything
                self.note(error)
                self._drop("failed", self._at_hand)
                self._settle()
                time.sleep(BACK_OFF_FIRST)
        self._thread = None
        self._closed = False
        self._asleep = True
        if self._open is not None:
            self._open.close()
        if self._queue:  # came after the last look
            self._rouse()

    def _sleep(self) -> None:
        if not self._queue and not self._unreported:
            self._asleep = True
            if not self._queue:  # an append between the two looks has seen a writer awake, and roused nobody
                self._wake.acquire(timeout=30)
            self._asleep = False
        if self._queue:
            self._wake.acquire(timeout=COALESCE)

    def _take(self) -> tuple[list[str], float]:
        lines: list[str] = []
        characters = moment = 0
        queue = self._queue
        while queue and len(lines) < BATCH_EVENTS and characters < BATCH_CHARACTERS:
            item = queue.popleft()
            if type(item) is not tuple:
                self._flushes.append(item)  # type: ignore[arg-type]
                continue
            self._at_hand += 1
            moment, self._static = item[0], item[3]
            lines.append(_line(item))
            characters += len(lines[-1])
        now = time.time()
        if self._unreported and (not queue or now - self._reported_at >= REPORT_EVERY):
            self._reported_at = now
            lines += self._reports()
        return lines, moment / 1e9 or now

    def _reports(self) -> list[str]:
        with self._counting:
            drops, self._unreported = self._unreported, {}
        reports = []
        for reason, count in drops.items():
            fields: dict[str, Any] = {
                "message": f"{count} events dropped: {_REASONS[reason]}",
                "reason": reason,
                "count": count,
            }
            if reason != "queue_full" and self._last_error:
                fields["error_message"] = self._last_error
            reports.append(_line((time.time_ns(), "WARNING", "events_dropped", self._static, {}, fields)))
        return reports

    def _write(self, lines: list[str], moment: float) -> None:
        if lines:
            data = to_bytes(lines)
            delay = BACK_OFF_FIRST
            while not self._written_now(data, len(lines), moment):
                self._wake.acquire(timeout=delay)
                delay = min(delay * 2, BACK_OFF_LAST)
        self._written += self._at_hand
        self._settle()

    def _written_now(self, data: bytes, lines: int, moment: float) -> bool:
        spool = self.spool
        if self._open is not None and self._open is not spool:
            self._open.close()
        self._open = spool
        if spool is None:
            return False
        try:
            spool.write(data, lines, moment)
        except Exception as error:  # noqa: BLE001 - whatever it is, trying again later is the answer
            self._failing = True
            self.note(error)
            return False
        self._failing = False
        if spool.lost:
            self._drop("spool_full", spool.lost)
            spool.lost = 0
        return True

    def _settle(self) -> None:
        self._at_hand = 0
        while self._flushes and not self._unreported:
            self._flushes.pop().release()


def _line(item: Item) -> str:
    moment, level, name, static, context, fields = item
    if type(level) is not str:
        level = _LEVELS.get(level) if type(level) is int else None
    event = {"timestamp": stamp(moment), "id": new_id(moment), "level": level.upper() if level else "INFO"}
    if name is not None:
        event["event"] = name
    event.update(static)
    event.update(context)
    event.update(fields)
    return to_json(event)
