"""Processes that Safelight starts: known by pid and birth, so that a restart of Safelight does not lose them, and a
later process of the same number is never taken for one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio.to_thread
import psutil

from ..alerts.held import Shelf
from ..errors import RemedyError

_KILLED_S: Final = 10.0
"""How long the kernel may take to end what was killed."""
_SOON_S: Final = 0.3
"""A command line that is wrong ends at once."""
_LOOK_EVERY_S: Final = 0.05


class Started:
    """Those of one server."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    async def restart(
        self,
        argv: Sequence[str],
        *,
        name: str,
        directory: Path | None,
        environment: Mapping[str, str],
        output: Path | None,
        grace: timedelta,
    ) -> tuple[int, int | None]:
        """End the one of this name, start it anew: the new pid, and the old one if it lived. Raises RemedyError."""

        def work() -> tuple[int, int | None]:
            old = self._living(name)
            if old is not None:
                self._end(old, grace.total_seconds())
            return self._begin(argv, name, directory, environment, output), old.pid if old else None

        return await anyio.to_thread.run_sync(work)

    async def is_ours(self, name: str) -> bool:
        """Whether one of this name lives."""
        return await anyio.to_thread.run_sync(self._living, name) is not None

    def _living(self, name: str) -> psutil.Process | None:
        known = self._shelf.process(name)
        if known is None:
            return None
        pid, born = known
        child = self._children.get(pid)
        if child is not None and child.poll() is not None:
            del self._children[pid]
            return None
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            if abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def _begin(
        self,
        argv: Sequence[str],
        name: str,
        directory: Path | None,
        environment: Mapping[str, str],
        output: Path | None,
    ) -> int:
        try:
            with open(output or os.devnull, "ab") as said:  # noqa: PTH123 - /dev/null is no Path of ours
                child = subprocess.Popen(  # noqa: S603 - as the configuration says
                    list(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    cwd=directory,
                    env={**os.environ, **environment},
                    start_new_session=True,  # it goes on when we are stopped with Ctrl-C
                )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RemedyError("remedies.not_started", command=argv[0], reason=reason) from error
        self._children[child.pid] = child
        with suppress(psutil.Error):
            self._shelf.keep_process(name, child.pid, psutil.Process(child.pid).create_time())
        with suppress(subprocess.TimeoutExpired):
            status = child.wait(_SOON_S)
            del self._children[child.pid]
            raise RemedyError("remedies.ended_at_once", command=argv[0], status=status)
        return child.pid

    def _end(self, process: psutil.Process, grace_s: float) -> None:
        """It and its whole group: SIGTERM, then SIGKILL for what is left."""
        for kind, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILLED_S)):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, kind)
            deadline = time.monotonic() + wait_s
            while time.monotonic() < deadline:
                if not self._is_there(process):
                    return
                time.sleep(_LOOK_EVERY_S)
        raise RemedyError("remedies.does_not_end", pid=process.pid)

    def _is_there(self, process: psutil.Process) -> bool:
        child = self._children.get(process.pid)
        if child is not None:
            return child.poll() is None
        with suppress(psutil.Error):
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return False
