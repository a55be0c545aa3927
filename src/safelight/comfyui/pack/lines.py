"""Printed text as lines: broken off in the middle, rewritten after a carriage return, part of a traceback."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PENDING = 16_000  # characters of a line that does not end; its beginning is kept
BLOCK = 200  # lines of a traceback; a longer one is told in parts
TRACEBACK = "Traceback (most recent call last):"

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def plain(text: str) -> str:
    """`text` without the colours of a terminal."""
    return _ANSI.sub("", text) if "\x1b" in text else text


class Lines:
    """One stream as one thread writes it."""

    def __init__(self) -> None:
        self._open = ""
        self._block: list[str] = []

    def feed(self, text: str) -> Iterator[tuple[str, bool]]:
        """The messages that `text` completes, and whether each is a traceback. A traceback is one message."""
        *whole, rest = (self._open + text).split("\n")
        # A progress bar goes back to the start of its line again and again: only what stands there last counts.
        self._open = rest[rest.rstrip("\r").rfind("\r") + 1 :][:PENDING]
        for line in map(_as_shown, whole):
            if self._block:
                self._block.append(line)
                if (line and not line[0].isspace()) or len(self._block) >= BLOCK:
                    yield "\n".join(self._block), True
                    self._block = []
            elif line.startswith(TRACEBACK):
                self._block = [line]
            elif line.strip():
                yield line, False


def _as_shown(line: str) -> str:
    return plain(line.rstrip("\r").rpartition("\r")[2]).rstrip()
