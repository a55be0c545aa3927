"""Whether ComfyUI's worker thread lives. Without it ComfyUI answers every request and executes nothing.

Nothing catches what comes out of the worker: SystemExit in a node ends it silently. A daemon thread waits for that, and
costs nothing until then.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WORKER_DEAD = "ComfyUI's worker thread has ended: nothing will be executed until a restart"
"""Whoever tells of it says it so: two witnesses of one death are one alert."""


class Watch:
    """Waits for the thread that runs prompts to end, and tells of it: `worker_dead`. `append` is safelight_emit's."""

    def __init__(self, append: Callable[..., None]) -> None:
        self._append = append
        self._worker: threading.Thread | None = None
        self._error: tuple[str, str] | None = None

    @property
    def alive(self) -> bool | None:
        """Whether it is; None while it has not been seen, which is before the first prompt."""
        return None if self._worker is None else self._worker.is_alive()

    def here(self) -> None:
        """Called in the worker, when it takes up a prompt."""
        worker = threading.current_thread()
        if worker is self._worker or worker is threading.main_thread():
            return
        self._worker, self._error = worker, None
        threading.Thread(target=self._wait, args=(worker,), name="safelight-watch", daemon=True).start()

    def ended_by(self, error: BaseException) -> None:
        """Called in the worker, when something came out of a prompt that nobody will catch."""
        self._error = (type(error).__name__, str(error)[:500])

    def _wait(self, worker: threading.Thread) -> None:
        worker.join()
        if worker is not self._worker or not threading.main_thread().is_alive():
            return  # replaced, or ComfyUI itself ends
        fields: dict[str, Any] = {"message": WORKER_DEAD, "error_message": WORKER_DEAD}
        if self._error is not None:
            fields["proof"] = ": ".join(filter(None, self._error))
        self._append("worker_dead", "ERROR", fields)
