"""Read what `safelight_emit` on this host has written, without being told."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import anyio
import anyio.to_thread

from ..errors import InputError
from ..paths import spool_directory
from ..services import profile
from ..services.joiner import Joiner
from ..tail.batches import raw_batch
from ..tail.held import is_held
from ..tail.position import Identity, Position
from ..tail.tailer import Tailer
from ..tail.watch import Watch
from . import Arrival, Report, Source, unreadable
from .headway import Headway

FILES: Final = "*/*.ndjson"
"""A folder a process (`service-host-starttime-pid`), in it one file after another (see `safelight_emit.spool`)."""
TIDY_EVERY_S: Final = 5.0
WAIT_FOR_LOCK_S: Final = 2.0
CONSUMER_LOCK: Final = ".consumer.lock"
"""Held by the one who reads a spool."""
ROOM: Final = "spool"
"""Under which its positions are kept."""


class Spool(Source):
    """The local spool. One consumer holds its lock; files are deleted once their events are durable."""

    type: Literal["spool"] = "spool"
    directory: Path | None = None
    """By default where `safelight_emit` writes: `$SAFELIGHT_SPOOL`, or the user's state directory."""

    example: ClassVar[dict[str, Any]] = {"directory": "/var/lib/safelight/spool"}

    @property
    def root(self) -> Path:
        """The spool directory."""
        if self.directory is None:
            return spool_directory()
        return Path(os.path.expanduser(self.directory))  # noqa: PTH111 - Path's raises for the home of nobody

    @property
    def name(self) -> str:
        """Its directory."""
        return str(self.root)

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """New events of every process that writes here."""
        await anyio.to_thread.run_sync(lambda: self.root.mkdir(mode=0o700, parents=True, exist_ok=True))
        grammar = profile(self.service).grammar
        constants = {"tag": self.tag, "service": self.service, "instance": self.instance}
        durable = {key: value for key, value in resume.items() if key.startswith(f"{ROOM}:")}
        with _locked(self.root) as lock, Watch() as watch:
            waited = False
            while not lock.taken():
                waited = True
                report.trouble(self.name, InputError("spool.taken", path=self.root))
                await anyio.sleep(WAIT_FOR_LOCK_S)
            if waited:
                report.recovered(self.name)
            tailer = Tailer(
                [str(self.root / FILES)],
                lambda: Joiner(grammar),
                durable,
                room=ROOM,
                on_trouble=partial(unreadable, report),
                on_recovered=report.recovered,
                linger_s=0.0,  # what was deleted here is durable
            )
            headway = Headway(tailer, report)
            tidy_at = anyio.current_time()
            try:
                while True:
                    step = await anyio.to_thread.run_sync(tailer.step)
                    report.reading(tailer.following)
                    headway.tell()
                    if step is not None:
                        report.took(step.size)
                        yield Arrival(raw_batch(step.records, constants), step.positions)
                        _move(durable, step.positions)
                        continue
                    if anyio.current_time() >= tidy_at:
                        await anyio.to_thread.run_sync(tidy, self.root, durable)
                        tidy_at = anyio.current_time() + TIDY_EVERY_S
                    watch.folders({self.root, *tailer.folders(), *_folders(self.root)})
                    await watch.changed(tailer.due_s())
            finally:
                tailer.close()


def tidy(root: Path, durable: Mapping[str, str]) -> None:
    """Delete files that are durable to their end and will not grow, and folders that this leaves empty."""
    for folder in _folders(root):
        files = sorted(folder.glob("*.ndjson"))
        for file in files:
            # In this order: what a writer adds before it ends is not durable then.
            if (file != files[-1] or not is_held(file)) and _is_durable(file, durable):
                file.unlink(missing_ok=True)
        if files:
            continue
        try:
            folder.rmdir()
        except OSError:
            continue  # something else lies in it


def _move(durable: dict[str, str], positions: Mapping[str, str | None]) -> None:
    for key, value in positions.items():
        if value is None:
            durable.pop(key, None)
        else:
            durable[key] = value


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir()]


def _is_durable(file: Path, durable: Mapping[str, str]) -> bool:
    try:
        found = file.stat()
    except OSError:
        return False
    position = Position.parse(durable.get(Identity.of(found).key(ROOM), ""))
    return found.st_size == 0 or (position is not None and position.offset >= found.st_size)


class _Lock:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def taken(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def _locked(root: Path) -> Iterator[_Lock]:
    fd = os.open(root / CONSUMER_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _Lock(fd)
    finally:
        os.close(fd)
