"""Many files, read in turn: what is new in all of them, as one step."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from .copies import Copies, Followed
from .follow import FollowedFile
from .known import Known, Listings
from .packed import PackedFile
from .patterns import Patterns, folders_of
from .position import HEAD_BYTES, Content, Identity, Position, opened_as
from .records import USUAL, Format, NewJoiner
from .troubles import Troubles
from .turn import Figures, Records, Setup, Turn
from .unpack import FAILURES, is_packed

STEP_BYTES: Final = 4 * 1024 * 1024
"""At most this much is read before it is handed on: bounds memory, and the time until it is durable."""
RESCAN_S: Final = 1.0
"""Folders are searched for new files at most this often."""
MOST_OPEN: Final = 512
"""Further files are opened for their turn and closed after it: a process may usually open 1,024 files."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one look gave: records by file, and the positions that become true once they are durable."""

    records: tuple[Records, ...]
    positions: Mapping[str, str | None]
    size: int = 0
    """Bytes that were read for it."""


@dataclass
class Tailer:
    """Follows every file that `patterns` match, from `resume` (positions by key) on.

    `room` is the prefix of its keys. `on_trouble(path, reason)` hears once of a file that cannot be read; it is tried
    again at every scan, and `on_recovered(path)` hears when it could be read. Files that were not changed for
    `ignore_older_s` and were never read are passed over.
    """

    patterns: Sequence[str]
    new_joiner: NewJoiner
    resume: Mapping[str, str]
    exclude: Sequence[str] = ()
    read_from: Literal["start", "end"] = "start"
    room: str = "file"
    on_trouble: Callable[[str, str], None] = lambda path, reason: None
    on_recovered: Callable[[str], None] = lambda path: None
    how: Format = USUAL
    ignore_older_s: float | None = None
    unpack: bool = True
    """`.gz` and `.zst` files are unpacked; else they are read as they are."""
    linger_s: float | None = None
    """How long a renamed or deleted file is held after it last grew; `follow.LINGER_S` by default."""

    _files: dict[Identity, Followed] = field(default_factory=dict)
    _next_scan: float = 0.0
    _put_off: bool = False
    """The last step did not look for new files: the one before had just done so."""
    _first_scan: bool = True
    _folders: set[Path] = field(default_factory=set)
    _aside: dict[str, str | None] = field(default_factory=dict)
    """Positions that become true without a record."""
    _open: int = 0
    _unpacking: PackedFile | None = None
    """One at a time: each may need megabytes, and history is in no hurry."""
    _left_out: tuple[int, int] = (0, 0)
    """Of files that are not followed any more."""

    def __post_init__(self) -> None:
        self._paths = Patterns(self.patterns, self.exclude)
        self._setup = Setup(self.new_joiner, self.room, self.how, self.linger_s)
        self._known = Known(self.resume, self.room)
        self._copies = Copies(self._known)
        self._troubles = Troubles(self.on_trouble, self.on_recovered)

    def step(self) -> Step | None:
        """What is new, up to STEP_BYTES; None when there is nothing. The caller makes it durable, then asks again."""
        now = time.monotonic()
        if now >= self._next_scan:
            self._scan(now)
            self._next_scan = now + RESCAN_S
            self._put_off = False
        else:
            self._put_off = True
        found: list[Records] = []
        moved: dict[str, str | None] = {}
        budget = STEP_BYTES
        one_left = False
        for followed in list(self._files.values()):
            turn = self._look(followed, budget, now)
            if followed.identity in self._files:  # to the end of the queue
                self._files[followed.identity] = self._files.pop(followed.identity)
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
        moved = self._aside | moved
        self._aside = {}
        return Step(tuple(found), moved, STEP_BYTES - budget) if moved else None

    def due_s(self) -> float | None:
        """Seconds until a record that waits for more lines is complete by silence, or until what may be a new file is
        looked for; None when nothing waits."""
        waiting = [due for followed in self._files.values() if (due := followed.due()) is not None]
        if self._put_off:
            waiting.append(self._next_scan)
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def folders(self) -> set[Path]:
        """Where changes can be expected."""
        return {folder for folder in self._paths.roots() | self._folders if folder.is_dir()}

    def figures(self) -> list[Figures]:
        """How far each file is read."""
        now = time.monotonic()
        return [followed.figures(now) for followed in self._files.values()]

    def left_out(self) -> tuple[int, int]:
        """Lines over the limit, and runs of NULs, since this tailer began."""
        figures = self.figures()
        cut, nul_runs = self._left_out
        return cut + sum(file.cut for file in figures), nul_runs + sum(file.nul_runs for file in figures)

    def close(self) -> None:
        """Let go of every file."""
        for followed in self._files.values():
            followed.close()
        self._files.clear()

    @property
    def following(self) -> int:
        """How many files are followed."""
        return len(self._files)

    def _look(self, followed: Followed, budget: int, now: float) -> Turn | None:
        try:
            if isinstance(followed, PackedFile):
                turn = self._look_packed(followed, budget, now)
            else:
                turn = self._look_plain(followed, budget, now)
        except FAILURES as error:
            self._troubles.tell(followed.path, error)
            if isinstance(error, OSError):
                self._drop(followed)
            return None
        if followed.judged:
            self._troubles.over(followed.path)
        return turn

    def _look_plain(self, followed: FollowedFile, budget: int, now: float) -> Turn | None:
        if followed.asleep and not (followed.stirred and self._wake(followed)):
            return None
        if not followed.judged:
            offset = self._copies.place(followed, self._files, now)
            if offset is None:
                followed.finished = followed.is_left
                return None
            followed.begin_at(offset)
            self._learn(followed, tell=offset > 0)
        turn = followed.read(budget, now, self._is_copied)
        ended = followed.taken_ended()
        if ended is not None:
            self._copies.ended(ended)
            self._learn(followed, tell=True)
        if followed.is_idle(now) or (self._open > MOST_OPEN and not followed.is_left and followed.due() is None):
            followed.sleep()
            self._open -= 1
        return turn

    def _look_packed(self, followed: PackedFile, budget: int, now: float) -> Turn | None:
        if not followed.judged and followed.is_settled and not (self._unpacking and self._unpacking.is_being_read):
            head = followed.head()
            if followed.is_known(head):
                followed.pass_over(head)
                return None
            if followed.old:
                return followed.pass_over(head)
            contents = self._copies.in_packed(head, followed.path, self._files)
            if contents is not None:
                followed.look_for(contents)
                self._unpacking = followed
        return followed.read(budget, now)

    def _is_copied(self, content: Content) -> bool:
        """Whether a file of which nothing is known yet begins like this: the copy may have come since the last look."""
        self._scan(time.monotonic())
        return any(
            isinstance(other, FollowedFile)
            and not (other.judged or other.asleep)
            and content.begins(other.read_at(0, HEAD_BYTES))
            for other in self._files.values()
        )

    def _learn(self, followed: FollowedFile, *, tell: bool) -> None:
        self._known.put(followed.identity, followed.position)
        if tell:
            self._aside[followed.key] = followed.position.dump()

    def _wake(self, followed: FollowedFile) -> bool:
        """Open it again. One that was deleted or renamed meanwhile is looked for in its folder."""
        fd = -1
        with suppress(FileNotFoundError):
            fd = opened_as(followed.path, followed.identity)
        if fd < 0 and followed.is_left:
            name = Listings().name_in(os.path.dirname(followed.path) or os.curdir, followed.identity)
            fd = -1 if name is None else opened_as(name, followed.identity)
        if fd >= 0:
            followed.wake(fd)
            self._open += 1
            if followed.is_intact():
                return True
            # Truncated, or another file got its inode: to be looked at as a new one.
            self._copies.ended(followed.position.content(time.time_ns() // 1_000_000))
            self._drop(followed)
            self._next_scan = 0.0
            return False
        followed.finished = followed.is_left
        return False

    def _scan(self, now: float) -> None:
        seen: dict[Identity, tuple[str, os.stat_result]] = {}
        for path in self._paths.matching():
            try:
                found = os.stat(path)
            except FileNotFoundError:  # a link to nothing, or gone meanwhile
                continue
            except OSError as error:
                self._troubles.tell(path, error)
                continue
            if stat.S_ISREG(found.st_mode):
                seen.setdefault(Identity.of(found), (path, found))
        for identity, (path, found) in seen.items():
            if identity not in self._files and not self._is_too_old(identity, found):
                self._follow(identity, path)
            if identity in self._files:
                self._files[identity].named(path, found)
        for identity, followed in self._files.items():
            if identity not in seen:
                followed.left_behind(now)
        folders = {folder for path, _ in seen.values() for folder in folders_of(path)}
        self._folders = {Path(folder) for folder in folders}
        if self._first_scan:
            self._find_renamed(now)
            self._forget_gone()
            self._first_scan = False
        self._troubles.look_into(self._paths.roots())

    def _is_too_old(self, identity: Identity, found: os.stat_result) -> bool:
        return (
            self.ignore_older_s is not None
            and self._known.get(identity) is None
            and time.time() - found.st_mtime > self.ignore_older_s
        )

    def _follow(self, identity: Identity, path: str) -> None:
        position = self._known.get(identity)
        at_end = self.read_from == "end" and self._first_scan and position is None
        if self.unpack and is_packed(path):
            self._files[identity] = PackedFile(identity, path, position, self._setup, old=at_end)
            return
        try:
            fd = opened_as(path, identity)
            if fd < 0:  # exchanged since it was looked at: the next scan knows
                return
            self._files[identity] = self._begun(identity, path, fd, at_end=at_end)
        except OSError as error:
            self._troubles.tell(path, error)

    def _begun(self, identity: Identity, path: str, fd: int, *, at_end: bool) -> FollowedFile:
        position = self._known.get(identity)
        try:
            goes_on = position is not None and position.fits(fd)
            if position is None or not goes_on:
                offset = os.fstat(fd).st_size if at_end else 0
                position = Position.first(path, fd, offset, earlier=position)
                self._copies.ended(position.before)
        except OSError:
            os.close(fd)
            raise
        judged = at_end or (goes_on and position.tells)
        if judged:
            self._known.put(identity, position)
        self._open += 1
        return FollowedFile(identity, fd, path, position, self._setup, judged=judged)

    def _find_renamed(self, now: float) -> None:
        """Files that were rotated away while nobody looked: the rest of them is still read, as of their old name."""
        listings = Listings()
        for identity, position in self._known.away(self._files):
            if not self._paths.covers(position.path) or position.packed_size:
                continue
            try:
                name_now = listings.name_in(os.path.dirname(position.path), identity)
            except OSError:
                continue
            if name_now is not None:
                self._follow(identity, name_now)
            if identity in self._files:
                self._files[identity].path = position.path
                self._files[identity].left_behind(now)

    def _forget_gone(self) -> None:
        """A position is kept as long as its file may come back under a name that is looked for."""
        listings = Listings()
        for identity, position in self._known.away(self._files):
            if self._paths.covers(position.path) and listings.is_gone(identity, position.path):
                self._copies.ended(position.content(time.time_ns() // 1_000_000))
                self._known.forget(identity)
                self._aside[identity.key(self.room)] = None

    def _drop(self, followed: Followed) -> None:
        if isinstance(followed, FollowedFile) and not followed.asleep:
            self._open -= 1
        gone, (cut, nul_runs) = followed.figures(0.0), self._left_out
        self._left_out = cut + gone.cut, nul_runs + gone.nul_runs
        followed.close()
        self._files.pop(followed.identity, None)
