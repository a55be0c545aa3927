"""From bytes to records, keeping the place of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from ..services.joiner import Record
from .encoding import UTF_8, Encoding
from .lines import LineCutter, Lines

SILENCE_S: Final = 0.1
"""A record that could go on is complete when nothing followed for this long. ComfyUI writes a failure's message and its
traceback in two calls, microseconds apart; 100 ms is far above that and far below what a reader notices."""


class Joins(Protocol):
    """What makes records of lines, see `services.joiner` and `services.multiline`."""

    def feed(self, lines: Iterable[bytes], /) -> list[Record]:
        """The records that these lines complete."""
        ...

    def flush(self) -> list[Record]:
        """What is held, as it is."""
        ...


NewJoiner = Callable[[], Joins]


@dataclass(frozen=True)
class Format:
    """How the bytes of a source's files become records."""

    encoding: Encoding = UTF_8
    max_line: int | None = None
    """Bytes of the file that a line may have; `lines.MAX_LINE_BYTES` by default."""
    keep_long: bool = True
    """A longer line is cut there; else it is left out."""
    silence_s: float | None = None
    """`SILENCE_S` by default."""
    json_alone: bool = True
    """A line that begins with `{` is a record of its own."""


USUAL: Final = Format()


class Assembler:
    """Joins lines into records, holding back the last one while it may go on."""

    def __init__(self, joiner: Joins, how: Format = USUAL) -> None:
        self._joiner = joiner
        self._how = how
        self._starts: deque[int] = deque()  # of the lines that the joiner holds
        self.due: float | None = None

    @property
    def pending_start(self) -> int | None:
        """Where the record in hand begins; None when none is."""
        return self._starts[0] if self._starts else None

    def add(self, lines: Lines, now: float) -> Lines:
        """The records that `lines` complete. `now` is monotonic."""
        if not lines.texts:
            return Lines()
        if self._how.json_alone and not self._starts and all(text[:1] == b"{" for text in lines.texts):
            return lines
        self._starts.extend(lines.starts)
        done = self._placed(self._joiner.feed(lines.texts))
        silence = SILENCE_S if self._how.silence_s is None else self._how.silence_s
        self.due = now + silence if self._starts else None
        return done

    def flush_silent(self, into: Lines, now: float) -> None:
        """Complete the record in hand if nothing followed it for long enough."""
        if self.due is not None and now >= self.due:
            self.flush_into(into)

    def flush_into(self, into: Lines) -> None:
        """Complete the record in hand."""
        into += self._placed(self._joiner.flush())
        self.due = None

    def _placed(self, records: Iterable[Record]) -> Lines:
        done = Lines()
        for record in records:
            done.texts.append(record.text)
            done.starts.append(self._starts[0])
            for _ in range(record.lines):
                self._starts.popleft()
        return done


class RecordReader:
    """The records of one content, from `offset` on."""

    def __init__(
        self, offset: int, joiner: Joins, how: Format, encoding: Encoding, mark: int = 0, *, mid_line: bool = False
    ) -> None:
        self._cutter = LineCutter(
            offset, encoding, mark=mark, max_line=how.max_line, keep_long=how.keep_long, in_skipped=mid_line
        )
        self._assembler = Assembler(joiner, how)
        self.width = encoding.width

    def feed(self, chunk: bytes, now: float) -> Lines:
        """The records that `chunk` completes."""
        return self._assembler.add(self._cutter.feed(chunk), now)

    def gap(self, size: int, now: float) -> Lines:
        """So many NULs follow."""
        return self._assembler.add(self._cutter.gap(size), now)

    def silent(self, now: float) -> Lines:
        """The record in hand, if nothing followed it for long enough."""
        found = Lines()
        self._assembler.flush_silent(found, now)
        return found

    def finish(self, now: float, *, with_half: bool = True) -> Lines:
        """Everything in hand: nothing follows any more."""
        found = self._assembler.add(self._cutter.rest() if with_half else Lines(), now)
        self._assembler.flush_into(found)
        return found

    @property
    def due(self) -> float | None:
        """When (monotonic) the record in hand is complete by silence."""
        return self._assembler.due

    @property
    def done(self) -> int:
        """Up to where every record was handed out."""
        start = self._assembler.pending_start
        return self._cutter.offset if start is None else start

    @property
    def mid_line(self) -> bool:
        """Whether `done` is inside a line of which nothing more is wanted."""
        return self._cutter.skipping and self._assembler.pending_start is None

    @property
    def lines_done(self) -> int:
        """Up to where every line is complete."""
        return self._cutter.offset

    @property
    def cut(self) -> int:
        """Lines that were over the limit."""
        return self._cutter.cut

    @property
    def nul_runs(self) -> int:
        """Runs of NULs that were left out."""
        return self._cutter.nul_runs
