"""Records of many lines, where `joiner` does not know them: stack traces of Java and Go, and patterns that a
configuration names. Fed and flushed like a `Joiner`, with the same account of lines.

The traces are told by what follows what, as in Google's detect-exceptions and Fluent Bit's parsers `java` and `go`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .generic import GRAMMAR
from .grammar import LEVELLED, STAMPED, plain_bytes
from .joiner import MAX_BYTES, MAX_LINES, Joiner, Record


class _Holding:
    """Holds the record in hand. What belongs to it is for subclasses to say."""

    json_alone = True

    def __init__(self, max_lines: int, max_bytes: int) -> None:
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._pending: list[bytes] = []
        self._bytes = 0
        self._blank = 0

    @property
    def held(self) -> int:
        """Lines that were fed and are in no record yet."""
        return len(self._pending) + self._blank

    def feed(self, lines: Iterable[bytes]) -> list[Record]:
        """The records that these lines complete."""
        done: list[Record] = []
        for line in lines:
            if self.json_alone and line[:1] == b"{":
                done += self.flush()
                done.append(Record(line, 1 + self._blank))
                self._blank = 0
                continue
            shown = plain_bytes(line)
            if self._pending and self._goes_on(shown):
                if len(self._pending) >= self._max_lines or self._bytes + len(line) > self._max_bytes:
                    done += self.flush()
            else:
                done += self.flush()
                if not shown.strip():
                    self._blank += 1
                    continue
                self._begin(shown)
            self._pending.append(line)
            self._bytes += len(line) + 1
            if self._is_last(shown):
                done += self.flush()
        return done

    def flush(self) -> list[Record]:
        """What is held, as it is."""
        if not self._pending:
            return []
        record = Record(b"\n".join(self._pending).rstrip(b"\r\n"), self.held)
        self._pending, self._bytes, self._blank = [], 0, 0
        return [record]

    @abstractmethod
    def _begin(self, shown: bytes) -> None:
        """A record begins with this line."""

    @abstractmethod
    def _goes_on(self, shown: bytes) -> bool:
        """Whether this line belongs to the record in hand."""

    def _is_last(self, shown: bytes) -> bool:
        """Whether the record ends with this line."""
        return False


class Single(_Holding):
    """Every line is a record."""

    def __init__(self) -> None:
        super().__init__(1, MAX_BYTES)

    def _begin(self, shown: bytes) -> None:
        pass

    def _goes_on(self, shown: bytes) -> bool:
        return False

    def _is_last(self, shown: bytes) -> bool:
        return True


_Steps = tuple[tuple[re.Pattern[bytes], str], ...]


@dataclass(frozen=True)
class Trace:
    """How the stack traces of a language go on: by where one is, what may follow and where that leads."""

    heads: _Steps
    """How they begin; any other line leads to `head`."""
    follows: Mapping[str, _Steps]


_BLANK: Final = re.compile(rb"\s*$")
_FRAME: Final = re.compile(
    rb"[\t ]+(?:eval )?at |[\t ]+--- End of inner exception stack trace ---$"
    rb"|--- End of stack trace from previous location"
)
_MORE: Final = re.compile(rb"[\t ]*\.\.\. \d+ (?:more|common frames omitted)")
_CAUSE: Final = re.compile(rb"[\t ]*(?:Caused by|Suppressed|Wrapped by):|[\t ]*nested exception is:?")

JAVA: Final = Trace(
    heads=((re.compile(rb".*(?:Exception|Error|Throwable)(?::|$)|Exception in thread "), "exception"),),
    follows={
        "head": ((_FRAME, "frames"),),
        "exception": ((_FRAME, "frames"), (_MORE, "frames"), (_CAUSE, "exception"), (_BLANK, "exception")),
        "frames": ((_FRAME, "frames"), (_MORE, "frames"), (_CAUSE, "exception")),
    },
)
"""As `Throwable.printStackTrace` writes them (docs.oracle.com, java.lang.Throwable); .NET's are alike."""

_GOROUTINE: Final = re.compile(rb"goroutine \d+ .*\[[^\]]+\]:$")
_CALL: Final = re.compile(rb"\S.*\(.*\)$|created by |\.\.\.(?:additional|\d+) frames elided\.\.\.")
_PLACE: Final = re.compile(rb"\s+\S")

GO: Final = Trace(
    heads=(
        (re.compile(rb".*http: panic serving"), "gap"),
        (re.compile(rb".*\bpanic: |fatal error: |SIG[A-Z]+: |runtime: "), "panic"),
    ),
    follows={
        "panic": (
            (re.compile(rb"\s+panic: |\[signal |\[recovered|runtime: |fatal error: "), "panic"),
            (_GOROUTINE, "calls"),
            (_BLANK, "gap"),
        ),
        "gap": ((_GOROUTINE, "calls"), (re.compile(rb"runtime stack:$"), "calls"), (_BLANK, "gap")),
        "calls": ((_PLACE, "calls"), (_CALL, "place"), (_GOROUTINE, "calls"), (_BLANK, "gap")),
        "place": ((_PLACE, "calls"), (_CALL, "place"), (_BLANK, "gap")),
    },
)
"""As the runtime writes them (go.dev/src/runtime/traceback.go, panic.go)."""


class TraceJoiner(_Holding):
    """Stack traces by their form. After a line with a time or a level, lines that have neither go on with it."""

    def __init__(self, trace: Trace, *, max_lines: int = MAX_LINES, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(max_lines, max_bytes)
        self._trace = trace
        self._state = "head"
        self._is_open_ended = False

    def _begin(self, shown: bytes) -> None:
        self._is_open_ended = _is_tagged(shown)
        self._state = next((state for head, state in self._trace.heads if head.match(shown)), "head")

    def _goes_on(self, shown: bytes) -> bool:
        for what, state in self._trace.follows.get(self._state, ()):
            if what.match(shown):
                self._state = state
                return True
        return self._is_open_ended and not _is_tagged(shown)


@dataclass(frozen=True)
class Pattern:
    """Which lines belong together. A record goes on while nothing here says that it is over."""

    starts: re.Pattern[str] | None = None
    """A record begins with such a line."""
    continues: re.Pattern[str] | None = None
    """Only such a line goes on with a record, and a blank one."""
    ends: re.Pattern[str] | None = None
    """A record ends with such a line."""
    max_lines: int = MAX_LINES
    max_bytes: int = MAX_BYTES


class PatternJoiner(_Holding):
    """Records by the patterns of a configuration; `{` has no meaning of its own there."""

    json_alone = False

    def __init__(self, pattern: Pattern) -> None:
        super().__init__(pattern.max_lines, pattern.max_bytes)
        self._pattern = pattern

    def _begin(self, shown: bytes) -> None:
        pass

    def _goes_on(self, shown: bytes) -> bool:
        starts, continues = self._pattern.starts, self._pattern.continues
        text = shown.decode("utf-8", "replace")
        if starts is not None and starts.search(text):
            return False
        return continues is None or not text.strip() or continues.search(text) is not None

    def _is_last(self, shown: bytes) -> bool:
        ends = self._pattern.ends
        return ends is not None and ends.search(shown.decode("utf-8", "replace")) is not None


def _is_tagged(shown: bytes) -> bool:
    return LEVELLED.match(shown) is not None or STAMPED.match(shown) is not None


LANGUAGES: Final[Mapping[str, Callable[[], Joiner | _Holding]]] = {
    "python": lambda: Joiner(GRAMMAR),
    "java": lambda: TraceJoiner(JAVA),
    "go": lambda: TraceJoiner(GO),
    "none": Single,
}
"""By the name that a configuration gives; `comfyui` is the profile of that service."""
