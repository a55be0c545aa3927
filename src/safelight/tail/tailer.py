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
from .known import Known, is_gone, name_in
from .position import Identity, Position, shown
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
    again at every scan, and `on_recovered(path)` hears when it could be read.
    """

    patterns: Sequence[str]
    new_joiner: NewJoiner
    resume: Mapping[str, str]
    exclude: Sequence[str] = ()
    read_from: Literal["start", "end"] = "start"
    room: str = "file"
    on_trouble: Callable[[str, str], None] = lambda path, reason: None
    on_recovered: Callable[[str], None] = lambda path: None

    _files: dict[Identity, FollowedFile] = field(default_factory=dict)
    _troubled: dict[str, str] = field(default_factory=dict)
    _turn: int = 0
    _next_scan: float = 0.0
    _first_scan: bool = True
    _known: Known = field(init=False)
    _gone: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = Known(self.resume, self.room)

    def step(self) -> Step | None:
        """What is new, up to STEP_BYTES; None when there is nothing. The caller makes it durable, then asks again."""
        now = time.monotonic()
        if now >= self._next_scan:
            self._scan()
            self._next_scan = now + RESCAN_S
        found: list[Records] = []
        moved: dict[str, str | None] = {}
        budget = STEP_BYTES
        one_left = False
        for followed in self._in_turn():
            turn = self._look(followed, budget, now)
            if turn is not None:
                found.append(turn.records)
                self._known.put(followed.identity, turn.position)
                moved[followed.key] = turn.position.dump()
                budget -= turn.size
                if budget <= 0:
                    break
            elif followed.finished:
                self._drop(followed)
                one_left = True
        if one_left:
            self._forget_gone()
        moved.update(self._gone)
        self._gone = {}
        return Step(tuple(found), moved) if moved else None

    def _look(self, followed: FollowedFile, budget: int, now: float) -> Turn | None:
        try:
            turn = followed.read(budget, now)
        except OSError as error:
            self._trouble(followed.path, error)
            self._drop(followed)
            return None
        if self._troubled.pop(followed.path, None) is not None:
            self.on_recovered(shown(followed.path))
        return turn

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

    def _in_turn(self) -> Iterator[FollowedFile]:
        """Each file once, beginning with another one each time, so that a busy file never starves a quiet one."""
        files = list(self._files.values())
        self._turn += 1
        start = self._turn % len(files) if files else 0
        yield from files[start:] + files[:start]

    def _expanded(self) -> list[str]:
        return [os.path.expanduser(pattern) for pattern in self.patterns]

    def _unwanted(self, path: str) -> bool:
        name = os.path.basename(path)
        return any(fnmatch(path, os.path.expanduser(pattern)) or fnmatch(name, pattern) for pattern in self.exclude)

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
            self._find_renamed()
            self._forget_gone()
            self._first_scan = False

    def _matching(self) -> Iterator[str]:
        for pattern in self._expanded():
            for path in sorted(glob.iglob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]:
                if not self._unwanted(path) and os.path.exists(path):
                    yield path

    def _open(self, identity: Identity, path: str, name_now: str | None = None) -> None:
        fd = -1
        try:
            fd = os.open(name_now or path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if Identity.of(os.fstat(fd)) != identity:  # exchanged since it was looked at: the next scan knows
                os.close(fd)
                return
            position = self._position(identity, path, fd)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            self._trouble(path, error)
            return
        self._known.put(identity, position)
        self._files[identity] = FollowedFile(identity, fd, path, position, self.new_joiner, self.room)

    def _position(self, identity: Identity, path: str, fd: int) -> Position:
        position = self._known.get(identity)
        if position is not None and position.fits(fd):
            return position
        at_end = self.read_from == "end" and self._first_scan and position is None
        return Position.first(path, fd, os.fstat(fd).st_size if at_end else 0, earlier=position)

    def _find_renamed(self) -> None:
        """Files that were rotated away while nobody looked: the rest of them is still read, as of their old name."""
        for identity, position in self._known.away(self._files):
            if not self._ours(position.path):
                continue
            try:
                name_now = name_in(os.path.dirname(position.path), identity)
            except OSError:
                continue
            if name_now is not None:
                self._open(identity, position.path, name_now)
            if identity in self._files:
                self._files[identity].left_behind()

    def _forget_gone(self) -> None:
        """A position is kept as long as its file may come back under a name that is looked for."""
        for identity, position in self._known.away(self._files):
            if self._ours(position.path) and is_gone(identity, position.path):
                self._known.forget(identity)
                self._gone[identity.key(self.room)] = None

    def _ours(self, path: str) -> bool:
        return any(fnmatch(path, pattern.replace("**/", "*")) for pattern in self._expanded())

    def _trouble(self, path: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        if self._troubled.get(path) != reason:
            self._troubled[path] = reason
            self.on_trouble(shown(path), reason)

    def _drop(self, followed: FollowedFile) -> None:
        followed.close()
        self._files.pop(followed.identity, None)
