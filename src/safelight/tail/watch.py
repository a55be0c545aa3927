"""Being told that something in a folder changed: inotify where there is one, looking again where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import anyio

LOOK_AGAIN_S: Final = 2.0
"""Even with inotify: network file systems do not report what other hosts write."""
POLL_S: Final = 0.25
"""Without inotify."""
LINGER_S: Final = 0.01
"""After a change that comes out of silence: the rest of what is being written joins the batch."""
BUSY_LINGER_S: Final = 0.05
"""After a change that follows another: a batch costs 10 to 20 ms however small, from here to the rules. At 100 lines a
second this halves the CPU of the whole server and adds 40 ms to a line's way."""
BUSY_WITHIN_S: Final = 0.5


class Watch:
    """Waits for changes in folders. Use as a context manager."""

    def __init__(self) -> None:
        self._inotify = _open_inotify()
        self._watched: set[Path] = set()
        self._last_change = 0.0

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._inotify is not None:
            self._inotify.close()

    def folders(self, folders: Iterable[Path]) -> None:
        """Watch these folders too. One that cannot be watched is looked at every two seconds."""
        if self._inotify is None:
            return
        from inotify_simple import flags  # noqa: PLC0415 - Linux only

        for folder in set(folders) - self._watched:
            try:
                self._inotify.add_watch(folder, flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.DELETE_SELF)
            except OSError:
                continue
            self._watched.add(folder)

    async def changed(self, within_s: float | None = None) -> None:
        """Return when something changed, after `within_s` seconds, or when it is time to look again anyway."""
        if self._inotify is None:
            await anyio.sleep(min(POLL_S, within_s or POLL_S))
            return
        with anyio.move_on_after(min(LOOK_AGAIN_S, LOOK_AGAIN_S if within_s is None else within_s)):
            await anyio.wait_readable(self._inotify.fd)
            busy = anyio.current_time() - self._last_change < BUSY_WITHIN_S
            await anyio.sleep(BUSY_LINGER_S if busy else LINGER_S)
            self._last_change = anyio.current_time()
            self._inotify.read(timeout=0)


def _open_inotify() -> Any:
    if sys.platform != "linux":
        return None
    try:
        from inotify_simple import INotify  # noqa: PLC0415 - Linux only

        return INotify()
    except OSError:  # no instance left (fs.inotify.max_user_instances): looking again does the same, later
        return None
