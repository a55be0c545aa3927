"""The content of `.gz` and `.zst` files, piece by piece, in bounded memory whatever a file claims to hold."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Final, Protocol

import zstandard

CHUNK_BYTES: Final = 4 * 1024 * 1024
SUFFIXES: Final = (".gz", ".zst")
PIECE_BYTES: Final = 256
"""Unpacked at a time. An unpacker that meets damage keeps to itself what it made of the same piece: a small piece loses
little. It also bounds what a piece can become: 8 MB, as zstd packs 128 KB into 4 bytes at best (RFC 8878 §3.1.1.2)."""
FAILURES: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)


class _Unpacker(Protocol):
    """Unpacks one gzip member or zstd frame; a file may hold several in a row (RFC 1952 §2.2, RFC 8878 §3)."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def is_packed(path: str) -> bool:
    """Whether the name says so."""
    return path.endswith(SUFFIXES)


def unpacked(path: str, file: BinaryIO) -> Iterator[bytes]:
    """The content of a packed file, in pieces that may be empty.

    Raises one of FAILURES when it is damaged: EOFError when it ends too early, as while it is still being written.
    """
    if path.endswith(".gz"):
        return _pieces(file, lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS), b"\0")
    return _pieces(file, lambda: zstandard.ZstdDecompressor().decompressobj())


def after(offset: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What follows `offset` in the content."""
    for piece in pieces:
        if offset < len(piece):
            yield piece[offset:]
        offset -= min(offset, len(piece))


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks of about CHUNK_BYTES. What came before a failure is handed out before it."""
    held: list[bytes] = []
    size = 0
    failure = None
    try:
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= CHUNK_BYTES:
                yield b"".join(held)
                held, size = [], 0
    except FAILURES as error:
        failure = error
    if size:
        yield b"".join(held)
    if failure is not None:
        raise failure


class Unpacking:
    """A packed file from its beginning on, so much at a time. Use as a context manager or close it. Raises OSError."""

    def __init__(self, path: str, remember: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        self._pieces = unpacked(path, self._file)
        self._remember = remember
        self._head = self._last = b""
        self._failure: BaseException | None = None
        self.at = 0
        """Where what comes next stands in the content."""
        self.ended = False

    def __enter__(self) -> Unpacking:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, limit: int) -> bytes:
        """About so many bytes, fewer at the end. Raises one of FAILURES once all before the damage was taken."""
        if self._failure is not None:
            raise self._failure
        held: list[bytes] = []
        size = 0
        try:
            while size < limit and not self.ended:
                piece = next(self._pieces, None)
                self.ended = piece is None
                held.append(piece or b"")
                size += len(piece or b"")
        except FAILURES as error:
            if not size:
                raise
            self._failure = error
        chunk = b"".join(held)
        self.at += size
        self._last = self._last[-self._remember :] + chunk
        if len(self._head) < self._remember:
            self._head = (self._head + chunk)[: self._remember]
        return chunk

    def read_at(self, offset: int, length: int) -> bytes:
        """What stands there, from the head and from what was taken last with `remember` bytes before it."""
        start = self.at - len(self._last)
        if offset >= start:
            return self._last[offset - start :][:length]
        return self._head[offset:][:length]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _pieces(file: BinaryIO, new: Callable[[], _Unpacker], padding: bytes = b"") -> Iterator[bytes]:
    unpacker: _Unpacker | None = None
    while block := file.read(CHUNK_BYTES):
        for at in range(0, len(block), PIECE_BYTES):
            piece = block[at : at + PIECE_BYTES]
            while piece:
                if unpacker is None:
                    piece = piece.lstrip(padding) if padding else piece
                    if not piece:
                        break
                    unpacker = new()
                yield unpacker.decompress(piece)
                piece = b""
                if unpacker.eof:
                    piece, unpacker = unpacker.unused_data, None
    if unpacker is not None:
        raise EOFError("it ends in the middle of its packed content")
