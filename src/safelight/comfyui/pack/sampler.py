"""The memory curve inside a run: five readings a second while one is active, nothing at all while none is.

Once a second the readings become one `resources_sampled` event, and the last ones when the run ends. Between runs the
thread sleeps on an event. Never raises.
"""

from __future__ import annotations

import threading
from collections import deque
from time import time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .memory import Memory, Reading

INTERVAL = 0.2  # seconds
A_SECOND = 5  # readings an event
KEPT = 18_000  # readings for `peak_mb_since`: an hour


class Sampler:
    """One daemon thread for the process, started with the first run. `append` is safelight_emit's."""

    def __init__(self, memory: Memory, append: Callable[..., None], *, interval: float = INTERVAL) -> None:
        self._memory, self._append, self._interval = memory, append, interval
        self._lock = threading.Lock()
        self._active = threading.Event()
        self._thread: threading.Thread | None = None
        self._workflow_id: str | None = None
        self._pending: list[tuple[int, Reading]] = []
        self._peaks: deque[tuple[int, float]] = deque(maxlen=KEPT)  # (ns since 1970, MB of the device)

    def begin(self, workflow_id: str) -> None:
        """A run starts: read now and from now on."""
        try:
            with self._lock:
                if self._pending:  # of a run whose end nobody told
                    self._tell()
                self._workflow_id = workflow_id
                self._peaks.clear()
                self._read()
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="safelight-sampler", daemon=True)
                    self._thread.start()
            self._active.set()
        except Exception:  # noqa: BLE001, S110 - a run without a curve is still a run
            pass

    def end(self) -> None:
        """The run is over: read once more, tell what is left, and sleep."""
        self._active.clear()
        try:
            with self._lock:
                if self._workflow_id is not None:
                    self._read()
                    self._tell()
                self._workflow_id = None
        except Exception:  # noqa: BLE001, S110 - see begin
            pass

    def peak_mb_since(self, ns: int) -> float | None:
        """The most of the device that was in use at any reading from `ns` (since 1970) on; None without readings."""
        highest: float | None = None
        with self._lock:
            for moment, used in reversed(self._peaks):
                if moment < ns:
                    break
                highest = used if highest is None or used > highest else highest
        return highest

    def _work(self) -> None:
        idle = threading.Event()  # never set: a wait that nothing cuts short
        while True:
            self._active.wait()
            idle.wait(self._interval)
            try:
                with self._lock:
                    if self._workflow_id is None:
                        continue
                    self._read()
                    if len(self._pending) >= A_SECOND:
                        self._tell()
            except Exception:  # noqa: BLE001, S112 - the next reading may do better
                continue

    def _read(self) -> None:
        reading = self._memory.read()
        now = time_ns()
        self._pending.append((now, reading))
        if reading.device_used_mb is not None:
            self._peaks.append((now, reading.device_used_mb))

    def _tell(self) -> None:
        pending, self._pending = self._pending, []
        last = pending[-1][1]
        curve: dict[str, Any] = {
            "at": [moment // 1_000_000 for moment, _ in pending],
            "vram_mb": _row([reading.device_used_mb for _, reading in pending]),
            "torch_mb": _row([reading.torch_allocated_mb for _, reading in pending]),
            "ram_mb": _row([reading.ram_used_mb for _, reading in pending]),
            "vram_total_mb": last.device_total_mb,
        }
        fields: dict[str, Any] = {"workflow_id": self._workflow_id, "ram_used_mb": last.ram_used_mb, "curve": curve}
        if last.device_used_mb is not None:
            fields["vram_used_mb"] = last.device_used_mb
        self._append("resources_sampled", "DEBUG", fields)


def _row(values: list[float | None]) -> list[float | None] | None:
    return values if any(value is not None for value in values) else None
