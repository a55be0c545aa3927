"""The simulated studio beside the server: its directory, and the child process that lives it."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from ..errors import ConfigError, StoreError
from ..paths import user_data
from ..store.files import listing

SPOOL: Final = "spool"
EVENTS: Final = "events"
"""Where the store has its files in a data directory."""
GRACE_S: Final = 2.0
"""How long the child may take to end by itself."""
RETRY_S: Final = (1.0, 5.0, 30.0)
"""How long to wait before a child that died is started again."""
LASTED_S: Final = 60.0
"""A child that lived for so long was well: the next wait is the shortest again."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Demo:
    """A studio that does not exist, kept apart from everything that does."""

    data: Path
    speed: float = 1.0

    @classmethod
    def under(cls, data: Path | None, speed: float) -> Demo:
        """In `data`, or beside the user's own data directory; made if need be.

        Raises ConfigError for a directory that is in use for real events, StoreError for one that cannot be made.
        """
        own = user_data()
        directory = data or own.with_name(f"{own.name}-demo")
        demo = cls(directory, speed)
        try:
            if not demo.spool.is_dir() and listing(directory / EVENTS):
                raise ConfigError("demo.not_simulated", data=directory)
            demo.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError("store.unusable", directory=directory, reason=error.strerror or str(error)) from error
        return demo

    @property
    def spool(self) -> Path:
        """Where the studio's events are written. Only a demo's directory has one inside."""
        return self.data / SPOOL

    @property
    def command(self) -> list[str]:
        """The simulator. `-P`: whatever lies in the current directory is not imported."""
        return [sys.executable, "-P", "-m", "safelight.demo", "--spool", str(self.spool), "--speed", str(self.speed)]

    async def run(self) -> None:
        """Let the studio live until cancelled. A simulator that dies is started again, and makes up for the gap."""
        attempt = 0
        while True:
            started = anyio.current_time()
            try:
                code: object = await self._live()
            except OSError as error:
                code = error
            attempt = 0 if anyio.current_time() - started > LASTED_S else attempt
            _log.warning("the simulated studio ended (%s) and is started again", code)
            await anyio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1

    async def _live(self) -> int:
        process = await anyio.open_process(self.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=None)
        try:
            return await process.wait()
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    with anyio.move_on_after(GRACE_S, shield=True):
        if process.stdin is not None:
            await process.stdin.aclose()  # that is how it learns that it is over
        await process.wait()
    if process.returncode is None:
        process.kill()
    with anyio.CancelScope(shield=True):
        await process.wait()
