"""One open file: what is new in it, cut into records, and how far it is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from .lines import LineCutter, Lines
from .position import Identity, Position, line_prefix, shown
from .records import Assembler, NewJoiner

TURN_BYTES: Final = 1024 * 1024
"""A file's share of one step: a file growing at 100 MB/s leaves room for the one that trickles."""


@dataclass(frozen=True, slots=True)
class Records:
    """Complete records of one file, and the offset at which each begins."""

    path: str
    """As text, see `shown`."""
    prefix: str
    texts: list[bytes]
    starts: list[int]

    def ids(self) -> list[str]:
        """Stable ids: what is read again after a crash is the same event (store invariant 5)."""
        return [f"{self.prefix}{start:012x}" for start in self.starts]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one look at one file gave."""

    records: Records
    size: int
    """Bytes that were read for it."""
    position: Position
    """Up to where every record was handed out."""


class FollowedFile:
    """A file held open, so that it is read to its end also after it was renamed or deleted."""

    def __init__(
        self, identity: Identity, fd: int, path: str, position: Position, new_joiner: NewJoiner, room: str
    ) -> None:
        self.identity = identity
        self.path = path
        self.key = identity.key(room)
        self.finished = False
        self._fd = fd
        self._new_joiner = new_joiner
        self._left_behind = False
        self._begin(position)

    def _begin(self, position: Position) -> None:
        self._position = position
        self._read_to = position.offset
        self._cutter = LineCutter(position.offset)
        self._assembler = Assembler(self._new_joiner())
        self.prefix = line_prefix(self.identity, position.generation)

    def read(self, budget: int, now: float) -> Turn | None:
        """New records, from at most `budget` bytes; None when nothing is complete. Raises OSError."""
        size = os.fstat(self._fd).st_size
        if size < self._read_to or (size > self._read_to and not self._position.begins(self._fd)):
            # Truncated, and perhaps longer again already: what comes now is other content under the same name.
            self._begin(Position.first(self.path, self._fd, earlier=self._position))
        chunk = os.pread(self._fd, min(TURN_BYTES, budget), self._read_to)
        self._read_to += len(chunk)
        lines = self._cutter.feed(chunk) if chunk else Lines()
        at_end = self._read_to >= os.fstat(self._fd).st_size
        if at_end and self._left_behind:
            rest = self._cutter.rest()
            lines.texts += rest.texts
            lines.starts += rest.starts
            found = self._assembler.add(lines, now)
            self._assembler.flush_into(found)
            self.finished = True
        else:
            found = self._assembler.add(lines, now)
            if at_end:
                self._assembler.flush_silent(found, now)
        if not chunk and not found.texts:
            return None
        done = self._cutter.offset if self._assembler.pending_start is None else self._assembler.pending_start
        self._position = self._position.at(self.path, done, self._fd)
        return Turn(Records(shown(self.path), self.prefix, found.texts, found.starts), len(chunk), self._position)

    def due(self) -> float | None:
        """When (monotonic) the record in hand is complete by silence."""
        return self._assembler.due

    def named(self, path: str) -> None:
        """It was found under this name."""
        self.path = path
        self._left_behind = False

    def left_behind(self) -> None:
        """No pattern finds it any more: renamed or deleted. It is read to its end and then let go."""
        self._left_behind = True

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._fd)
