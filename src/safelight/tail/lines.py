"""Cutting a stream of bytes into lines, with the place of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from .encoding import UTF_8, Encoding

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""A longer line is cut here and the rest of it skipped: memory stays bounded whatever is written into the file."""
NUL_RUN: Final = 16
"""So many NUL bytes in a row are no text: space that was allocated and not written yet, or what a crash left of a page.
They end a line, and are left out. Fewer are part of the line: some programs end their items with one."""

_NULS: Final = b"\0" * NUL_RUN
_RUN: Final = re.compile(rb"\0{%d,}" % NUL_RUN)


@dataclass(slots=True)
class Lines:
    """Complete lines without their line ends, and the offset at which each begins."""

    texts: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    def __iadd__(self, more: Lines) -> Lines:
        self.texts += more.texts
        self.starts += more.starts
        return self


class LineCutter:
    """Takes chunks in order, gives complete lines as UTF-8, keeps the half line at the end for the next chunk.

    `offset` is where the first chunk stands in the file, `mark` the length of the byte order mark at its head. With
    `in_skipped` that is inside a line that was cut before: the rest of it is passed over.
    """

    def __init__(
        self,
        offset: int,
        encoding: Encoding = UTF_8,
        *,
        mark: int = 0,
        max_line: int | None = None,
        keep_long: bool = True,
        in_skipped: bool = False,
    ) -> None:
        self._half = b""
        self._start = offset  # where the half line begins
        self._encoding = encoding
        self._width = encoding.width
        self._mark = mark if offset == 0 else 0
        self._limit = MAX_LINE_BYTES if max_line is None else max_line
        self._keep_long = keep_long
        self.skipping = in_skipped
        self.cut = 0  # lines that were over the limit
        self.nul_runs = 0

    @property
    def offset(self) -> int:
        """Where the first byte that is not yet part of a complete line stands."""
        return self._start

    @property
    def half(self) -> int:
        """Bytes of the line in hand."""
        return len(self._half)

    def feed(self, chunk: bytes) -> Lines:
        """The lines that `chunk` completes."""
        at, size = self._start, len(self._half) + len(chunk)
        may_have_nuls = b"\0" in chunk or b"\0" in self._half
        may_have_cr = b"\r" in chunk or b"\r" in self._half[-2 * self._width :]
        texts, starts = self._split(chunk) if self._width == 1 else self._split_wide(self._half + chunk)
        if self.skipping and texts:  # the rest of a line that was cut: its length only moves the offset
            del texts[0], starts[0]
            self.skipping = False
        if self._mark and self._start > at:
            self._without_mark(texts, starts)
        if may_have_nuls:
            texts, starts = self._without_nuls(texts, starts)
        if size > self._limit:
            texts, starts = self._bounded(texts, starts)
        texts = self._as_utf8(texts)
        if may_have_cr:
            texts = [text[:-1] if text.endswith(b"\r") else text for text in texts]
        lines = Lines(texts, starts)
        if len(self._half) > self._limit or self.skipping:
            self._bound_half(lines)
        return lines

    def gap(self, size: int) -> Lines:
        """Nothing but NULs stands in the next `size` bytes: they end the line in hand."""
        lines = self.rest()
        self._start += size
        self.nul_runs += 1
        self.skipping = False
        return lines

    def rest(self) -> Lines:
        """The half line as it is, for a file that will not grow any more."""
        lines = Lines()
        if len(self._half) > self._mark and not self.skipping:
            texts, starts = [self._half], [self._start]
            if self._mark:
                self._without_mark(texts, starts)
            if _NULS in self._half:
                texts, starts = self._without_nuls(texts, starts)
            lines = Lines([text.rstrip(b"\r") for text in self._as_utf8(texts)], starts)
        self._start += len(self._half)
        self._half = b""
        return lines

    def _split(self, chunk: bytes) -> tuple[list[bytes], list[int]]:
        texts = (self._half + chunk).split(b"\n") if self._half else chunk.split(b"\n")
        self._half = texts.pop()
        start = self._start
        starts = []
        for text in texts:  # map, accumulate and add took 5 % longer
            starts.append(start)
            start += len(text) + 1
        self._start = start
        return texts, starts

    def _split_wide(self, data: bytes) -> tuple[list[bytes], list[int]]:
        """Line feeds of two or four bytes count only where a character begins."""
        line_end, width, first = self._encoding.line_end, self._width, self._start
        texts, starts = [], []
        begin = at = 0
        while (at := data.find(line_end, at)) >= 0:
            if (first + at) % width:
                at += 1
                continue
            texts.append(data[begin:at])
            starts.append(first + begin)
            at += width
            begin = at
        self._half = data[begin:]
        self._start = first + begin
        return texts, starts

    def _as_utf8(self, texts: list[bytes]) -> list[bytes]:
        return texts if self._encoding.is_utf8 else [self._encoding.utf8(text) for text in texts]

    def _without_mark(self, texts: list[bytes], starts: list[int]) -> None:
        if starts and starts[0] == 0:
            texts[0] = texts[0][self._mark :]
        self._mark = 0

    def _without_nuls(self, texts: list[bytes], starts: list[int]) -> tuple[list[bytes], list[int]]:
        """Lines with runs of NULs fall into what stands between the runs."""
        kept, places = [], []
        for text, start in zip(texts, starts, strict=True):
            if _NULS not in text:
                kept.append(text)
                places.append(start)
                continue
            edges = [0]
            for run in _RUN.finditer(text):
                self.nul_runs += 1
                edges += run.span()
            edges.append(len(text))
            for begin, end in zip(edges[::2], edges[1::2], strict=True):
                if begin < end:
                    # The NUL beside a run may be half of a character: UTF-16 writes `a` as two bytes, one of them NUL.
                    at = begin - (start + begin) % self._width
                    kept.append(text[at : end + -(start + end) % self._width])
                    places.append(start + at)
        return kept, places

    def _bounded(self, texts: list[bytes], starts: list[int]) -> tuple[list[bytes], list[int]]:
        if max(map(len, texts), default=0) <= self._limit:
            return texts, starts
        kept, places = [], []
        for text, start in zip(texts, starts, strict=True):
            if len(text) > self._limit:
                self.cut += 1
                if not self._keep_long:
                    continue
                kept.append(self._encoding.beginning(text, self._limit))
            else:
                kept.append(text)
            places.append(start)
        return kept, places

    def _bound_half(self, lines: Lines) -> None:
        if not self.skipping:
            self.skipping = True
            self.cut += 1
            if self._keep_long:
                texts, starts = [self._encoding.beginning(self._half, self._limit)], [self._start]
                if self._mark:
                    self._without_mark(texts, starts)
                lines += Lines(self._as_utf8(texts), starts)
        keep = len(self._half) % self._width if self._width > 1 else 0  # the next chunk begins inside a character
        self._start += len(self._half) - keep
        self._half = self._half[len(self._half) - keep :]
