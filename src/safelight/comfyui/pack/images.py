"""What a run saved, looked at once it is there: size, dimensions, and whether the image shows anything.

The look happens on a daemon thread of its own behind a bounded queue, so no node waits for a disk. What came of it is
one `output_saved` event, whose `check` is:

    ok          an image that shows something, or a file whose content cannot be judged but whose header was read
    black       every pixel looked at is black;  uniform: all have the same colour
    empty       the file has no bytes;  missing: it is not there;  unreadable: it is no image of its kind
    unchecked   no image, or a form that is not looked into here

NaN is not claimed from files: it has become a number (mostly black) by the time it is written.
Limits: QUEUE files wait, beyond it they are told as "unchecked"; pixels are looked at in files up to LOOK_BYTES.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

QUEUE = 1_000
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


class Images:
    """Takes the names of saved files from any thread. `append` is safelight_emit's."""

    def __init__(self, append: Callable[..., None]) -> None:
        self._append = append
        self._waiting: deque[tuple[dict[str, Any], str | None]] = deque()
        self._wake = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._busy = 0  # files not told yet
        self._thread: threading.Thread | None = None

    def saved(
        self,
        workflow_id: str | None,
        node_id: str | None,
        node: str | None,
        filename: str,
        subfolder: str,
        type: str,  # noqa: A002 - ComfyUI's name for it
        path: str | None = None,
    ) -> None:
        """A node says it has saved this file; `path` None: find it by ComfyUI's folder of that type. Never raises."""
        try:
            named = {"workflow_id": workflow_id, "node_id": node_id, "node": node}
            fields = {name: value for name, value in named.items() if value is not None}
            fields |= {"filename": filename, "subfolder": subfolder, "type": type}
            if len(self._waiting) >= QUEUE:
                self._append("output_saved", "INFO", {**fields, "check": "unchecked"})
                return
            with self._lock:
                self._busy += 1
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="safelight-images", daemon=True)
                    self._thread.start()
            self._waiting.append((fields, path))
            self._wake.release()
        except Exception:  # noqa: BLE001, S110 - the run comes first
            pass

    def wait(self, timeout: float) -> bool:
        """Whether everything handed over so far has been told within `timeout` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._busy, timeout)

    def _work(self) -> None:
        while True:
            self._wake.acquire()
            fields, path = self._waiting.popleft()
            try:
                path = path or _place(fields["filename"], fields["subfolder"], fields["type"])
                found: dict[str, Any] = {"check": "unchecked"} if path is None else look(path)
                if path is not None:
                    fields["path"] = path
                self._append("output_saved", "INFO", fields | found)
            except Exception:  # noqa: BLE001 - a file like no other must not end the looking
                self._append("output_saved", "INFO", {**fields, "check": "unchecked"})
            finally:
                with self._idle:
                    self._busy -= 1
                    self._idle.notify_all()


def look(path: str) -> dict[str, Any]:
    """`bytes`, `width`, `height` (as far as known) and `check` of one file. Never raises OSError."""
    try:
        size = os.path.getsize(path)
    except OSError:
        return {"check": "missing"}
    if size == 0:
        return {"bytes": 0, "check": "empty"}
    if not path.lower().endswith(IMAGES):
        return {"bytes": size, "check": "unchecked"}
    from . import pixels  # noqa: PLC0415 - zlib and struct are wanted only once something was saved

    return {"bytes": size, **pixels.judge(path, size)}


def _place(filename: str, subfolder: str, kind: str) -> str | None:
    folders: Any = sys.modules.get("folder_paths")
    base = folders.get_directory_by_type(kind) if folders is not None else None
    return os.path.join(base, subfolder, filename) if base else None
