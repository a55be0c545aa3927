"""Cutting a stream of bytes into lines, with the place of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""A longer line is cut here and the rest of it skipped: memory stays bounded whatever is written into the file."""


@dataclass(slots=True)
class Lines:
    """Complete lines without their line ends, and the offset at which each begins."""

    texts: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)


class LineCutter:
    """Takes chunks in order, gives complete lines, keeps the half line at the end for the next chunk."""

    def __init__(self, offset: int) -> None:
        self._half = b""
        self._start = offset  # where the half line begins
        self._skipping = False
        self.cut = 0  # lines that were over the limit

    @property
    def offset(self) -> int:
        """Where the first byte that is not yet part of a complete line stands."""
        return self._start

    def feed(self, chunk: bytes) -> Lines:
        """The lines that `chunk` completes."""
        texts = (self._half + chunk).split(b"\n") if self._half else chunk.split(b"\n")
        self._half = texts.pop()
        start = self._start
        starts = []
        for text in texts:
            starts.append(start)
            start += len(text) + 1
        self._start = start
        if self._skipping and texts:  # the rest of a line that was cut: its length only moves the offset
            del texts[0], starts[0]
            self._skipping = False
        if b"\r" in chunk:
            texts = [text[:-1] if text.endswith(b"\r") else text for text in texts]
        if len(chunk) + len(self._half) > MAX_LINE_BYTES:
            texts = [text if len(text) <= MAX_LINE_BYTES else self._cut(text) for text in texts]
        lines = Lines(texts, starts)
        self._bound_half(lines)
        return lines

    def rest(self) -> Lines:
        """The half line as it is, for a file that will not grow any more."""
        lines = Lines()
        if self._half and not self._skipping:
            lines.texts.append(self._half.rstrip(b"\r"))
            lines.starts.append(self._start)
        self._start += len(self._half)
        self._half = b""
        return lines

    def _bound_half(self, lines: Lines) -> None:
        if self._skipping:
            self._start += len(self._half)
            self._half = b""
        elif len(self._half) > MAX_LINE_BYTES:
            lines.texts.append(self._cut(self._half))
            lines.starts.append(self._start)
            self._start += len(self._half)
            self._half = b""
            self._skipping = True

    def _cut(self, text: bytes) -> bytes:
        self.cut += 1
        end = MAX_LINE_BYTES
        while end and text[end] & 0xC0 == 0x80:  # never in the middle of a UTF-8 character (RFC 3629 §3)
            end -= 1
        return text[:end]
