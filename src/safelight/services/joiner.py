"""Physical lines into records: a traceback, a list of reasons or a message of many lines is one event.

Pure and incremental. Lines come in order and whole; a record is given out when a later line shows that it is over, or
when whoever reads the file has waited long enough and calls `flush`.

    joiner = Joiner(profile("comfyui").grammar)
    for record in joiner.feed(lines):      # lines: bytes without their line feed
        position += ...                    # record.lines physical lines were used up
    joiner.flush()                         # nothing came for a while

A JSON line is always a record of its own, given out at once. Blank lines are never records; they are counted in the
`lines` of the record they follow or precede, so that `sum(record.lines) + joiner.held` is what was fed.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

from . import tracebacks
from .grammar import LEVELLED, QUIET, STAMPED, Grammar, plain_bytes

MAX_LINES: Final = 1_000
"""Lines a record may have; the next line begins another record. Python itself shortens recursion after 3 frames."""

MAX_BYTES: Final = 256 * 1024
"""Bytes a record may have before the next line begins another one. One line alone may be longer."""

_TAG_BYTES: Final = 120  # a time, a logger's name and a level stand within these
_HEADER: Final = tracebacks.HEADER.encode()
_GROUP_HEADER: Final = b"+ Exception Group " + _HEADER
_CHAINED: Final = tuple(words.encode() for words in tracebacks.CHAINED)


class Record(NamedTuple):
    """One record and how many physical lines it took."""

    text: bytes
    lines: int


class _State(Enum):
    """Where in a record the last line was."""

    HEAD = auto()  # no traceback so far
    PROMISED = auto()  # a traceback is to come
    FRAMES = auto()  # inside one
    REASON = auto()  # its exception was named; the message may go on
    GAP = auto()  # a blank line after that: only a chained traceback or an explanation belongs
    LIST = auto()  # items are to come


class Joiner:
    """The lines of one file, joined. Holds at most one record."""

    def __init__(self, grammar: Grammar, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        self._grammar = grammar
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._pending: list[bytes] = []
        self._bytes = 0
        self._blank = 0
        self._state = _State.HEAD
        self._open_ended = False  # lines without a time or level of their own go on with this record
        self._may_fail = False  # a traceback may follow, unannounced
        self._message_lines = 1  # of the exception, as its announcement printed it
        self._owed = 0  # of those, still to come after the traceback's frames

    @property
    def held(self) -> int:
        """Lines that were fed and are in no record yet."""
        return len(self._pending) + self._blank

    def feed(self, lines: Iterable[bytes]) -> list[Record]:
        """The records that these lines complete."""
        done: list[Record] = []
        for line in lines:
            if line[:1] == b"{":
                if self._pending:
                    done.append(self._close())
                done.append(Record(line, 1 + self._blank))
                self._blank = 0
                continue
            shown = plain_bytes(line)
            if not self._pending:
                self._open(line, shown)
            elif self._continues(shown):
                if len(self._pending) >= self._max_lines or self._bytes + len(line) > self._max_bytes:
                    done.append(self._close())
                self._keep(line)
            else:
                done.append(self._close())
                self._open(line, shown)
        return done

    def flush(self) -> list[Record]:
        """What is held, as it is: at the end of the file, or when nothing has come for a while."""
        return [self._close()] if self._pending else []

    def _open(self, line: bytes, shown: bytes) -> None:
        if not shown.strip():
            self._blank += 1
            return
        self._keep(line)
        tag = STAMPED.match(shown) or LEVELLED.match(shown)
        said = shown[tag.end() :].strip() if tag else shown
        quiet = QUIET.search(shown, 0, _TAG_BYTES) is not None
        self._open_ended = (tag is not None and (tag.re is STAMPED or not quiet)) or not said
        self._may_fail = tag is not None and not quiet
        self._message_lines, self._owed = 1, 0
        if said.endswith(_HEADER):
            self._state = _State.FRAMES
        elif self._grammar.promises.match(said):
            self._state = _State.PROMISED
            self._message_lines = 0  # counted when the traceback begins
        elif self._grammar.lists.match(said):
            self._state = _State.LIST
        else:
            self._state = _State.HEAD

    def _keep(self, line: bytes) -> None:
        self._pending.append(line)
        self._bytes += len(line) + 1

    def _close(self) -> Record:
        lines = len(self._pending) + self._blank
        text = b"\n".join(self._pending).rstrip(b"\r\n")
        self._pending, self._bytes, self._blank = [], 0, 0
        return Record(text, lines)

    def _continues(self, shown: bytes) -> bool:
        """Whether this line belongs to the pending record. Moves the state when it does."""
        if shown.startswith(_CHAINED) and self._state in {_State.REASON, _State.GAP}:
            self._state = _State.PROMISED
            return True
        if self._owed:
            self._owed -= 1
            return not self._is_tagged(shown)
        if not shown.strip():
            return self._after_blank()
        if shown.startswith(_HEADER) or shown.endswith(_GROUP_HEADER):
            return self._after_header()
        match self._state:
            case _State.LIST:
                return self._grammar.items.match(_untagged(shown)) is not None
            case _State.PROMISED:
                if shown.endswith(_HEADER):  # tagged with a level of its own
                    return self._after_header()
                # A message may look like any line of the log; only a tag or another failure is trusted to be one.
                return not self._is_tagged(shown) and not self._grammar.promises.match(shown)
            case _State.GAP:
                return self._after_gap(shown)
            case _State.FRAMES | _State.REASON:
                return self._in_traceback(shown)
            case _State.HEAD:
                return not self._begins(shown) and (self._open_ended or shown[:1] in b" \t")

    def _after_blank(self) -> bool:
        if self._state in {_State.FRAMES, _State.REASON}:
            self._state = _State.GAP
        return self._open_ended or self._state is not _State.HEAD

    def _after_header(self) -> bool:
        """A traceback that begins here belongs to what announced it, and to a warning or error that has none yet."""
        if self._state is _State.PROMISED:
            self._message_lines = self._message_lines or len(self._pending)
        elif self._state is not _State.HEAD or not self._may_fail:
            return False
        self._state = _State.FRAMES
        return True

    def _in_traceback(self, shown: bytes) -> bool:
        if shown[:1] in b" \t":
            return True
        if self._begins(shown):
            return False
        if self._state is _State.FRAMES:
            # The message comes a second time now, with as many lines as when it was announced.
            self._state, self._owed = _State.REASON, self._message_lines - 1
            return True
        return self._open_ended or self._grammar.blank_ends_traceback

    def _after_gap(self, shown: bytes) -> bool:
        if self._grammar.explains.match(_untagged(shown)):
            self._state, self._open_ended = _State.HEAD, False
            return True
        return False

    def _begins(self, shown: bytes) -> bool:
        return self._is_tagged(shown) or self._grammar.begins.match(shown) is not None

    @staticmethod
    def _is_tagged(shown: bytes) -> bool:
        return LEVELLED.match(shown) is not None or STAMPED.match(shown) is not None


def _untagged(shown: bytes) -> bytes:
    tag = LEVELLED.match(shown)
    return shown[tag.end() :].removeprefix(b" ") if tag else shown
