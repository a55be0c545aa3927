"""How much of what many peers send may be in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from ..wire.forward.frames import Malformed

IN_HAND_BYTES: Final = 256 * 1024 * 1024
"""Of messages of all senders together. Beyond it nothing is read until some are durable; when all of them are
unfinished, so that waiting is of no use, who goes beyond it is sent away."""


class InHand:
    """How much the messages of all senders take: unfinished ones, and whole ones until they are durable."""

    def __init__(self) -> None:
        self.total = 0
        self.whole = 0
        self.freed = anyio.Event()

    @contextmanager
    def share(self) -> Iterator[Share]:
        """That of one sender."""
        share = Share(self)
        try:
            yield share
        finally:
            share.holds(0)


class Share:
    """What one sender has in hand."""

    def __init__(self, all_: InHand) -> None:
        self._all = all_
        self._size = 0
        self._whole = 0

    def holds(self, pending: int, whole: int = 0) -> None:
        """So many bytes wait to be whole, so many to be durable. Raises Malformed when there is no room for more."""
        less = pending + whole < self._size
        self._all.total += pending + whole - self._size
        self._all.whole += whole - self._whole
        self._size, self._whole = pending + whole, whole
        if less:
            self._all.freed.set()
            self._all.freed = anyio.Event()
        if pending and not self._all.whole and self._all.total > IN_HAND_BYTES:
            raise Malformed("forward.too_much", why="too_large", limit=IN_HAND_BYTES)

    async def room(self) -> None:
        """Wait while there is none, and will be some."""
        while self._all.whole and self._all.total > IN_HAND_BYTES:
            await self._all.freed.wait()
