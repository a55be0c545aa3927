"""Where text goes on after NUL bytes: files are allocated before they are written, and a crash leaves pages of NULs."""

from __future__ import annotations

import errno
import os
from typing import Final

_BLOCK: Final = 1024 * 1024
SCAN_BYTES: Final = 64 * 1024 * 1024
"""At most this much is looked through in one turn; holes of a sparse file cost nothing."""


def without_trailing(chunk: bytes, at: int, width: int) -> bytes:
    """The chunk, which stands at `at`, without NULs at its end; whole characters of `width` bytes stay whole."""
    end = len(chunk.rstrip(b"\0"))
    return chunk[: end + -(at + end) % width] if end else b""


def text_after(fd: int, offset: int, size: int, width: int) -> tuple[int, bool]:
    """Where the first byte stands that is no NUL, from `offset` on, and whether one was found.

    When none was, that is how far there are only NULs for certain. Raises OSError.
    """
    at, until = offset, offset + SCAN_BYTES
    while at < size and at < until:
        data = _next_data(fd, at)
        if data is None:
            return size, False
        if data > at:
            until += data - at
            at = data
        block = os.pread(fd, _BLOCK, at)
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            return at - at % width, True
        if not block:
            break
    return at, False


def _next_data(fd: int, at: int) -> int | None:
    """Where something was written after `at`; None when only a hole follows."""
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        return at  # a file system without holes
