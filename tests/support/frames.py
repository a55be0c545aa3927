"""Frames of a queue by the handful."""

from __future__ import annotations

from safelight.buffer import Frame
from safelight.buffer.queue import Buffer


def frame(text: str, count: int = 1) -> Frame:
    return Frame(text.encode(), count, {"kind": "test"}, weight=10 * count)


def emptied(buffer: Buffer, most: int = 1_000) -> list[str]:
    """All that comes out of it, until nothing is left."""
    texts = []
    while (claim := buffer.claim(most, 1 << 30)) is not None:
        texts += [one.payload.decode() for one in claim.frames]
        buffer.done(claim)
    return texts
