"""One compressed file: its content is read once, as a whole, piece by piece."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from .encoding import BOM_BYTES, marked
from .follow import TURN_BYTES
from .lines import Lines
from .position import HEAD_BYTES, MARK_BYTES, Content, Identity, Position, line_prefix, new_generation, shown
from .records import RecordReader
from .turn import Figures, Records, Setup, Turn
from .unpack import FAILURES, Unpacking

SETTLE_S: Final = 2.0
"""A packed file is read once it has not changed for so long: then whoever writes it is done."""


class PackedFile:
    """A `.gz` or `.zst` file. Offsets are of its content, sizes of the file.

    Its beginning may have been read already, before it was packed: what `look_for` names and it begins with is not
    handed out again. It holds a descriptor only while it is read.
    """

    packed: ClassVar[bool] = True

    def __init__(self, identity: Identity, path: str, position: Position | None, setup: Setup, *, old: bool) -> None:
        self.identity = identity
        self.path = path
        self.key = identity.key(setup.room)
        self.judged = False
        """Whether it is known what of it is new."""
        self.old = old
        """It was there before anything was to be read."""
        self._left = False
        self.position = position or Position(path, 0, new_generation(None), 0, 0)
        self._known = position
        self._setup = setup
        self._status: os.stat_result | None = None
        self._idle: tuple[int, int] | None = None
        """Its size and time of change when everything was read, or all before a damage."""
        self._unpacking: Unpacking | None = None
        self._sought: list[Content] = []
        self._from = 0  # where in the content records begin
        self._reader: RecordReader | None = None
        self._cut = self._nul_runs = 0

    def named(self, path: str, found: os.stat_result) -> None:
        """It was found under this name."""
        self.path, self._status, self._left = path, found if self._unpacking is None else self._status, False
        if self._idle is not None and self._idle != (found.st_size, found.st_mtime_ns):
            self._known, self._idle, self.judged = self.position, None, False

    def left_behind(self, now: float) -> None:
        """No pattern finds it any more. It is let go, unless it is being read: then at its end."""
        self._left = True

    @property
    def finished(self) -> bool:
        """Whether it may be let go."""
        return self._left and self._unpacking is None

    @property
    def is_settled(self) -> bool:
        """Whether something of it may be new, and nobody writes it now."""
        status = self._status
        return self._idle is None and status is not None and abs(time.time() - status.st_mtime) >= SETTLE_S

    def head(self) -> bytes:
        """How its content begins. Raises one of FAILURES, and then is not looked at again until it changed."""
        try:
            with Unpacking(self.path, HEAD_BYTES) as unpacking:
                return unpacking.take(HEAD_BYTES)[:HEAD_BYTES]
        except FAILURES:
            self._rest()
            raise

    def is_known(self, head: bytes) -> bool:
        """Whether it is as it was when it was read to its end."""
        known, size = self._known, 0 if self._status is None else self._status.st_size
        return known is not None and 0 < known.packed_size == size and known.content().begins(head)

    def pass_over(self, head: bytes) -> Turn:
        """Nothing more of it, which begins like this, is wanted."""
        self.judged = True
        self._rest()
        size = 0 if self._status is None else self._status.st_size
        position = self._known or self.position
        self.position = msgspec.structs.replace(
            position, packed_size=size, head_length=len(head), head_crc=zlib.crc32(head)
        )
        return Turn(self._records(Lines()), 0, self.position)

    def look_for(self, contents: Sequence[Content]) -> None:
        """What follows the longest of these contents that it begins with is new. Raises OSError."""
        own = () if self._known is None else (self._known.content(),)
        self._sought = sorted((*own, *contents), key=lambda content: content.offset)
        self._from = 0
        self._reader = None
        self._unpacking = Unpacking(self.path, max(HEAD_BYTES, MARK_BYTES))
        self.judged = True

    def read(self, budget: int, now: float) -> Turn | None:
        """New records, from about `budget` bytes of content at most; None when nothing is new.

        Raises one of FAILURES when it is damaged, once what came before the damage was handed out.
        """
        unpacking = self._unpacking
        if unpacking is None:
            return None
        try:
            chunk = unpacking.take(min(TURN_BYTES, budget))
        except FAILURES:
            self._rest()
            self._known, self.judged = self.position, False
            raise
        if self._sought:
            self._seek(unpacking)
            if self._sought:
                return None
            if self._from < unpacking.at - len(chunk):  # passed already
                unpacking.close()
                self._unpacking = Unpacking(self.path, max(HEAD_BYTES, MARK_BYTES))
                return None
        if unpacking.at < self._from:
            return None
        return self._hand_out(chunk, unpacking, now)

    def _seek(self, unpacking: Unpacking) -> None:
        while self._sought and self._sought[0].offset <= unpacking.at:
            content = self._sought.pop(0)
            if content.is_in(unpacking.read_at):
                self._from = content.offset
        if unpacking.ended:
            self._sought = []

    def _hand_out(self, chunk: bytes, unpacking: Unpacking, now: float) -> Turn:
        reader = self._reader
        if reader is None:
            reader = self._begin(unpacking)
            chunk = chunk[len(chunk) - (unpacking.at - self._from) :]
        found = reader.feed(chunk, now)
        if unpacking.ended:
            found += reader.finish(now)
        self.position = self.position.at(self.path, reader.done, unpacking.read_at, mid_line=reader.mid_line)
        if unpacking.ended:
            self._rest()
            if self._status is not None:
                self.position = msgspec.structs.replace(self.position, packed_size=self._status.st_size)
        return Turn(self._records(found), len(chunk), self.position)

    def _records(self, found: Lines) -> Records:
        prefix = line_prefix(self.identity, self.position.generation)
        return Records(shown(self.path), prefix, found.texts, found.starts)

    def _begin(self, unpacking: Unpacking) -> RecordReader:
        known, how = self._known, self._setup.how
        goes_on = known is not None and known.offset == self._from and known.content().is_in(unpacking.read_at)
        if known is None or not goes_on:
            self.position = Position(self.path, self._from, new_generation(known), 0, 0)
        encoding, mark = marked(unpacking.read_at(0, BOM_BYTES), how.encoding)
        self._reader = RecordReader(
            self._from, self._setup.new_joiner(), how, encoding, mark, mid_line=goes_on and self.position.mid_line
        )
        return self._reader

    def _rest(self) -> None:
        """Close it, until it changes."""
        if self._reader is not None:
            self._cut += self._reader.cut
            self._nul_runs += self._reader.nul_runs
            self._reader = None
        if self._status is not None:
            self._idle = (self._status.st_size, self._status.st_mtime_ns)
        self.close()

    def due(self) -> float | None:
        """At once, while it is being read."""
        return None if self._unpacking is None else 0.0

    @property
    def is_being_read(self) -> bool:
        """Whether it holds a descriptor."""
        return self._unpacking is not None

    def figures(self, now: float) -> Figures:
        """How far it is read: of its content, which is known only so far."""
        reader = self._reader
        cut, nul_runs = (reader.cut, reader.nul_runs) if reader else (0, 0)
        at = self.position.offset
        size = at if self._unpacking is None else max(at, self._unpacking.at)
        return Figures(shown(self.path), size, at, 0.0, self._cut + cut, self._nul_runs + nul_runs)

    def close(self) -> None:
        """Let go of the file."""
        if self._unpacking is not None:
            self._unpacking.close()
            self._unpacking = None
