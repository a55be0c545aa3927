"""One open file: what is new in it, cut into records, and how far it is done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import ClassVar, Final

from .encoding import BOM_BYTES, marked, may_be_marked
from .lines import Lines
from .nuls import text_after, without_trailing
from .position import Content, Identity, Position, line_prefix, reader, shown
from .records import RecordReader
from .rungs import Rungs
from .turn import Figures, Records, Setup, Turn

TURN_BYTES: Final = 1024 * 1024
"""A file's share of one step: a file growing at 100 MB/s leaves room for the one that trickles."""
LINGER_S: Final = 5.0
"""A file that was renamed or deleted is held for so long after it last grew: who writes it learns of it later."""
PEEK_BYTES: Final = 4096
"""Read where only NULs stood when last looked at."""
TICK_NS: Final = 20_000_000
"""Of the clock that writes times of change, and a little more: what is written later in the same tick, up to 10 ms, has
the same time."""
IDLE_S: Final = 300.0
"""A file that has not grown for so long is closed, and opened again when it changes."""


class FollowedFile:
    """A file that is followed, and read to its end also after it was renamed or deleted.

    With `judged` false it is not known yet whether its content is new: `begin_at` tells. It can `sleep`: its descriptor
    is given back until something changes.
    """

    packed: ClassVar[bool] = False

    def __init__(
        self, identity: Identity, fd: int, path: str, position: Position, setup: Setup, *, judged: bool = True
    ) -> None:
        self.identity = identity
        self.path = path
        self.key = identity.key(setup.room)
        self.finished = False
        self.judged = judged
        self.stirred = True
        """Something may be new in it."""
        self._fd = fd
        self._setup = setup
        self._left_at: float | None = None
        self._grew_at = time.monotonic()
        self._behind_since: float | None = None
        self._size = 0
        self._counted = (0, 0)
        self._ended: Content | None = None
        self._begin(position)

    def _begin(self, position: Position) -> None:
        self.position = position
        self.prefix = line_prefix(self.identity, position.generation)
        self._read_to = position.offset
        self._reader: RecordReader | None = None
        self._whole = position  # as `position`, but up to where every line is complete
        self._last = (0, b"")  # what was read last, and where it stands
        self._nuls_to = 0  # from `_read_to` to here stand only NULs
        self._rungs = Rungs()
        self._seen = (-1, -1)  # size and mtime when last looked at; -1 where something may have that mtime still

    def begin_at(self, offset: int) -> None:
        """Its content was read up to here already, under another name; 0 when it is new. Raises OSError."""
        self.judged = True
        self._begin(self.position.at(self.path, offset, reader(self._fd)))

    def read(self, budget: int, now: float, is_copied: Callable[[Content], bool] = lambda _: False) -> Turn | None:
        """New records, from at most `budget` bytes; None when nothing is new. Raises OSError.

        `is_copied` says whether a content that stands here no more seems to stand in another file.
        """
        status = os.fstat(self._fd)
        size, seen = status.st_size, (status.st_size, status.st_mtime_ns)
        self._size = size
        if seen == self._seen and size == self._read_to and self._left_at is None and self.due() is None:
            return None
        if size < self._read_to or (seen != self._seen and not self.position.holds(reader(self._fd))):
            # Truncated, and perhaps longer again already: what comes now is other content under the same name.
            left = self._replace(size, now, is_copied)
            if left.records.texts:
                return left
        self._seen = seen if time.time_ns() - status.st_mtime_ns > TICK_NS else (size, -1)
        before = self._read_to
        found, took = self._take(size, min(TURN_BYTES, budget), now)
        if took:
            self._grew_at = now
        at_end = max(self._read_to, self._nuls_to) >= os.fstat(self._fd).st_size
        if at_end:
            self.finished = self._is_over(now)
            if self._reader is not None:
                found += self._reader.finish(now) if self.finished else self._reader.silent(now)
        if self._read_to == before and not found.texts:
            return None
        self._advance(found)
        self._behind_since = None if self.is_done else self._behind_since or now
        return Turn(self._records(found), took, self.position)

    def _take(self, size: int, budget: int, now: float) -> tuple[Lines, int]:
        """The records of what follows, and how many bytes were read for them."""
        if size <= self._read_to:
            return Lines(), 0
        budget = PEEK_BYTES if self._nuls_to > self._read_to else budget
        chunk = os.pread(self._fd, budget, self._read_to)
        self._reader = self._reader or self._new_reader()
        if self._reader is None or not chunk:
            return Lines(), 0
        if chunk[-1] == 0:
            chunk = without_trailing(chunk, self._read_to, self._reader.width)
            if not chunk:
                return self._pass_nuls(size, now, self._reader), 0
        self._last = (self._read_to, chunk)
        self._read_to += len(chunk)
        return self._reader.feed(chunk, now), len(chunk)

    def _new_reader(self) -> RecordReader | None:
        """None while the first bytes may still become a byte order mark."""
        head = os.pread(self._fd, BOM_BYTES, 0)
        if may_be_marked(head) and self._left_at is None:
            return None
        how = self._setup.how
        encoding, mark = marked(head, how.encoding)
        position = self.position
        return RecordReader(position.offset, self._setup.new_joiner(), how, encoding, mark, mid_line=position.mid_line)

    def _pass_nuls(self, size: int, now: float, records: RecordReader) -> Lines:
        """What was allocated may still be written: NULs are passed only once text stands after them."""
        if self._nuls_to >= size:
            return Lines()
        self._nuls_to, found = text_after(self._fd, max(self._read_to, self._nuls_to), size, records.width)
        if not found:
            return Lines()
        lines = records.gap(self._nuls_to - self._read_to, now)
        self._read_to = self._nuls_to
        return lines

    def _replace(self, size: int, now: float, is_copied: Callable[[Content], bool]) -> Turn:
        """Begin anew, and hand out what is in hand of the earlier content: a half line only if it stands nowhere else,
        for a copy is read from that line's beginning on."""
        reader_before, prefix, former = self._reader, self.prefix, self._whole
        left = Lines()
        if reader_before is not None:
            has_half = former.offset < self._read_to
            left = reader_before.finish(now, with_half=not (has_half and is_copied(former.content())))
        self._count()
        offset = self._rungs.stands(size, reader(self._fd))
        self._begin(Position.first(self.path, self._fd, offset, earlier=former))
        self._ended = self.position.before
        return Turn(Records(shown(self.path), prefix, left.texts, left.starts), 0, self.position)

    def _advance(self, found: Lines) -> None:
        if self._reader is None:
            return
        done, whole = self._reader.done, self._reader.lines_done
        self.position = self.position.at(self.path, done, self._read_at, mid_line=self._reader.mid_line)
        self._whole = self.position if whole == done else self.position.at(self.path, whole, self._read_at)
        self._rungs.climb(
            found.starts if self.position.mid_line else [*found.starts, done],
            lambda start: self.position.at(self.path, start, self._read_at),
        )
        self._setup.spare[:] = [self._last[1]]
        self._last = (0, b"")

    def _read_at(self, offset: int, length: int) -> bytes:
        """From what was read last where that is enough: the file may have been truncated since."""
        start, chunk = self._last
        if start <= offset and offset + length <= start + len(chunk):
            return chunk[offset - start : offset - start + length]
        return os.pread(self._fd, length, offset)

    def _records(self, found: Lines) -> Records:
        return Records(shown(self.path), self.prefix, found.texts, found.starts)

    def _count(self) -> None:
        if self._reader is not None:
            cut, nul_runs = self._counted
            self._counted = cut + self._reader.cut, nul_runs + self._reader.nul_runs

    def _is_over(self, now: float) -> bool:
        linger_s = LINGER_S if self._setup.linger_s is None else self._setup.linger_s
        return self._left_at is not None and now - max(self._left_at, self._grew_at) >= linger_s

    @property
    def is_done(self) -> bool:
        """Whether all of it that can be was handed out, when it was last looked at."""
        return self.position.offset >= (self._read_to if self._nuls_to >= self._size else self._size)

    def taken_ended(self) -> Content | None:
        """What it held before it was truncated, told once."""
        ended, self._ended = self._ended, None
        return ended

    def due(self) -> float | None:
        """When (monotonic) the record in hand is complete by silence."""
        return None if self._reader is None else self._reader.due

    def is_intact(self) -> bool:
        """Whether the file still holds what was read of it. Raises OSError."""
        return os.fstat(self._fd).st_size >= self._read_to and self.position.holds(self.read_at)

    def status(self) -> os.stat_result:
        """Of the open file. Raises OSError."""
        return os.fstat(self._fd)

    def read_at(self, offset: int, length: int) -> bytes:
        """What stands there now. Raises OSError."""
        return os.pread(self._fd, length, offset)

    def figures(self, now: float) -> Figures:
        """How far it is read, when it was last looked at."""
        (cut, nul_runs), reading = self._counted, self._reader
        return Figures(
            shown(self.path),
            self._read_to if self._nuls_to >= self._size else self._size,
            self.position.offset,
            0.0 if self._behind_since is None or self.is_done else now - self._behind_since,
            cut + (reading.cut if reading else 0),
            nul_runs + (reading.nul_runs if reading else 0),
        )

    def named(self, path: str, found: os.stat_result) -> None:
        """It was found under this name."""
        self.path = path
        self._left_at = None
        if self.asleep and (found.st_size, found.st_mtime_ns) != self._seen:
            self.stirred = True

    def left_behind(self, now: float) -> None:
        """No pattern finds it any more: renamed or deleted. It is read to its end and then let go."""
        if self._left_at is None:
            self._left_at = now
            self.stirred = True

    @property
    def is_left(self) -> bool:
        """Whether no pattern finds it any more."""
        return self._left_at is not None

    @property
    def asleep(self) -> bool:
        """Whether it holds no descriptor."""
        return self._fd < 0

    def is_idle(self, now: float) -> bool:
        """Whether nothing is in hand and nothing has come for so long that its descriptor may be given back."""
        return self._left_at is None and self.due() is None and self.is_done and now - self._grew_at >= IDLE_S

    def sleep(self) -> None:
        """Give the descriptor back. What is unread makes it wake at its next turn."""
        if not self.asleep:
            self.stirred = self._seen[0] != self._read_to
            os.close(self._fd)
            self._fd = -1

    def wake(self, fd: int) -> None:
        """Go on with this descriptor."""
        self.judged = self.judged and self.position.tells
        self._fd = fd
        self.stirred = False

    def close(self) -> None:
        """Let go of the file."""
        if not self.asleep:
            os.close(self._fd)
            self._fd = -1
