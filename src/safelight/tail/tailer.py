"""Many files, read in turn: what is new in all of them, as one step."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, Literal

from .follow import FollowedFile, Records, Turn
from .position import Identity, Position
from .records import NewJoiner

STEP_BYTES: Final = 4 * 1024 * 1024
"""At most this much is read before it is handed on: bounds memory, and the time until it is durable."""
RESCAN_S: Final = 1.0
"""Folders are searched for new files at most this often."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one look gave: records by file, and the positions that become true once they are durable."""

    records: tuple[Records, ...]
    positions: Mapping[str, str | None]


@dataclass
class Tailer:
    """Follows every file that `patterns` match, from `resume` (positions by key) on.

    `room` is the prefix of its keys. `on_trouble(path, reason)` hears once of a file that cannot be read; it is tried
    again at every scan.
    """

    patterns: Sequence[str]
    new_joiner: NewJoiner
    resume: Mapping[str, str]
    exclude: Sequence[str] = ()
    read_from: Literal["start", "end"] = "start"
    room: str = "file"
    on_trouble: Callable[[str, str], None] = lambda path, reason: None

    _files: dict[Identity, FollowedFile] = field(default_factory=dict)
    _troubled: dict[str, str] = field(default_factory=dict)
    _turn: int = 0
    _next_scan: float = 0.0
    _first_scan: bool = True
    _gone: dict[str, None] = field(default_factory=dict)

    def step(self) -> Step | None:
        """What is new, up to STEP_BYTES; None when there is nothing. The caller makes it durable, then asks again."""
        now = time.monotonic()
        if now >= self._next_scan:
            self._scan()
            self._next_scan = now + RESCAN_S
        found: list[Records] = []
        moved: dict[str, str | None] = {}
        budget = STEP_BYTES
        for followed in self._in_turn():
            turn = self._look(followed, budget, now)
            if turn is not None:
                found.append(turn.records)
                moved[followed.key] = turn.position.dump()
                budget -= turn.size
                if budget <= 0:
                    break
            elif followed.finished:
                self._drop(followed)
        moved.update(self._gone)
        self._gone = {}
        return Step(tuple(found), moved) if moved else None

    def _look(self, followed: FollowedFile, budget: int, now: float) -> Turn | None:
        try:
            return followed.read(budget, now)
        except OSError as error:
            self._trouble(followed.path, error)
            self._drop(followed)
            return None

    def due_s(self) -> float | None:
        """Seconds until a record that waits for more lines is complete by silence; None when none waits."""
        waiting = [due for followed in self._files.values() if (due := followed.due()) is not None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def folders(self) -> set[Path]:
        """Where changes can be expected."""
        fixed = {Path(pattern.split("*")[0].split("?")[0].split("[")[0]) for pattern in self._expanded()}
        roots = {path if path.is_dir() else path.parent for path in fixed}
        return {folder for folder in roots | {Path(f.path).parent for f in self._files.values()} if folder.is_dir()}

    def close(self) -> None:
        """Let go of every file."""
        for followed in self._files.values():
            followed.close()
        self._files.clear()

    @property
    def following(self) -> int:
        """How many files are open."""
        return len(self._files)

    @property
    def troubled(self) -> Mapping[str, str]:
        """Why a file cannot be read, by path."""
        return self._troubled

    def _in_turn(self) -> Iterator[FollowedFile]:
        """Each file once, beginning with another one each time, so that a busy file never starves a quiet one."""
        files = list(self._files.values())
        self._turn += 1
        start = self._turn % len(files) if files else 0
        yield from files[start:] + files[:start]

    def _expanded(self) -> list[str]:
        return [os.path.expanduser(pattern) for pattern in self.patterns]

    def _scan(self) -> None:
        seen: dict[Identity, str] = {}
        for path in self._matching():
            try:
                found = os.stat(path)
                if stat.S_ISREG(found.st_mode):
                    seen.setdefault(Identity.of(found), path)
            except OSError as error:
                self._trouble(path, error)
        for identity, path in seen.items():
            if identity in self._files:
                self._files[identity].named(path)
            else:
                self._open(identity, path)
        for identity, followed in self._files.items():
            if identity not in seen:
                followed.left_behind()
        if self._first_scan:
            self._find_renamed(seen)
            self._first_scan = False

    def _matching(self) -> Iterator[str]:
        for pattern in self._expanded():
            for path in sorted(glob.iglob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]:
                name = os.path.basename(path)
                if any(fnmatch(path, unwanted) or fnmatch(name, unwanted) for unwanted in self.exclude):
                    continue
                if os.path.exists(path):
                    yield path

    def _open(self, identity: Identity, path: str) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._trouble(path, error)
            return
        self._troubled.pop(path, None)
        text = self.resume.get(identity.key(self.room))
        position = Position.parse(text) if text else None
        if position is None or not position.fits(fd):
            at_end = self.read_from == "end" and self._first_scan and position is None
            position = Position.first(path, fd, os.fstat(fd).st_size if at_end else 0, earlier=position)
        self._files[identity] = FollowedFile(identity, fd, path, position, self.new_joiner, self.room)

    def _find_renamed(self, seen: Mapping[Identity, str]) -> None:
        """Files that were rotated away while nobody looked: the rest of them is still read, under their new name."""
        for key, text in self.resume.items():
            room, device, inode = key.rsplit(":", 2)
            identity = Identity(int(device), int(inode))
            if room != self.room or identity in seen or identity in self._files:
                continue
            path = Position.parse(text).path
            if not self._ours(path):
                continue
            renamed = self._named_now(identity, os.path.dirname(path))
            if renamed is None:
                self._gone[key] = None
                continue
            self._open(identity, renamed)
            if identity in self._files:
                self._files[identity].left_behind()

    def _ours(self, path: str) -> bool:
        return any(fnmatch(path, pattern.replace("**/", "*")) for pattern in self._expanded())

    def _named_now(self, identity: Identity, folder: str) -> str | None:
        try:
            with os.scandir(folder) as entries:
                return next(
                    (e.path for e in entries if e.inode() == identity.inode and Identity.of(e.stat()) == identity), None
                )
        except OSError:
            return None

    def _trouble(self, path: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        if self._troubled.get(path) != reason:
            self._troubled[path] = reason
            self.on_trouble(path, reason)

    def _drop(self, followed: FollowedFile) -> None:
        followed.close()
        self._files.pop(followed.identity, None)
        self._gone[followed.key] = None
