"""From lines to records, keeping the place of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ..services.joiner import Joiner, Record
from .lines import Lines

SILENCE_S: Final = 0.1
"""A record that could go on is complete when nothing followed for this long. ComfyUI writes a failure's message and its
traceback in two calls, microseconds apart; 100 ms is far above that and far below what a reader notices."""

NewJoiner = Callable[[], Joiner]


class Assembler:
    """Joins lines into records, holding back the last one while it may go on."""

    def __init__(self, joiner: Joiner) -> None:
        self._joiner = joiner
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
        if not self._starts and all(text[:1] == b"{" for text in lines.texts):
            return lines
        self._starts.extend(lines.starts)
        done = self._placed(self._joiner.feed(lines.texts))
        self.due = now + SILENCE_S if self._starts else None
        return done

    def flush_silent(self, into: Lines, now: float) -> None:
        """Complete the record in hand if nothing followed it for long enough."""
        if self.due is not None and now >= self.due:
            self.flush_into(into)

    def flush_into(self, into: Lines) -> None:
        """Complete the record in hand."""
        rest = self._placed(self._joiner.flush())
        into.texts += rest.texts
        into.starts += rest.starts
        self.due = None

    def _placed(self, records: Iterable[Record]) -> Lines:
        done = Lines()
        for record in records:
            done.texts.append(record.text)
            done.starts.append(self._starts[0])
            for _ in range(record.lines):
                self._starts.popleft()
        return done
