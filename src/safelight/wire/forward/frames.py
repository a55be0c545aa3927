"""A stream of bytes, cut into whole MessagePack objects."""

from __future__ import annotations

from itertools import takewhile
from typing import Final, Literal

import msgpack

from ...errors import InputError

MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message. Fluentd's chunks have 8 MB (memory) and at most 256 MB (file), Fluent Bit's 2 MB."""


_SLACK: Final = 1024 * 1024  # received together with the end of a message
_READ: Final = 64 * 1024

Why = Literal["malformed", "too_large", "handshake"]


class Malformed(InputError):
    """What came is not the protocol, or over a limit: the connection is of no more use. `why` is for counting."""

    def __init__(
        self, key: str, /, *, why: Literal["malformed", "too_large", "handshake"] = "malformed", **values: object
    ) -> None:
        super().__init__(key, **values)
        self.why = why


class Framer:
    """Takes what was received, gives whole messages. Nothing is built from a message before all of it is here, so that
    a length that lies costs nothing."""

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._wrong: Malformed | None = None
        self._begin()

    def _begin(self) -> None:
        """With a new scanner: one never gives back the memory that it took for a large message."""
        self._scanner = msgpack.Unpacker(max_buffer_size=self._limit + _SLACK, read_size=_READ)
        self._start = 0  # of the message in hand, counted from the first byte that this scanner was given
        self._fed = 0
        self._dropped = 0  # bytes of those that left the buffer

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes. Raises Malformed; not before what was whole in front of the mistake is
        handed on, so `check` afterwards."""
        self.check()
        if not self._buffer and self._fed > _SLACK:
            self._begin()
        self._buffer += data
        self._fed += len(data)
        messages: list[bytes] = []
        try:
            self._scanner.feed(data)
            while True:
                self._scanner.skip()
                end = self._scanner.tell()
                messages.append(bytes(self._buffer[self._start - self._dropped : end - self._dropped]))
                self._start = end
        except msgpack.OutOfData:
            pass
        except msgpack.BufferFull:
            self._wrong = self._too_large()
        except ValueError as error:
            self._wrong = Malformed("forward.not_messagepack", reason=type(error).__name__)
        del self._buffer[: self._start - self._dropped]
        self._dropped = self._start
        whole = list(takewhile(lambda message: len(message) <= self._limit, messages))
        if len(whole) < len(messages) or len(self._buffer) > self._limit:
            self._wrong = self._too_large()
        if not whole:
            self.check()
        return whole

    def check(self) -> None:
        """Raise Malformed for what came behind the last message."""
        if self._wrong is not None:
            raise self._wrong

    def rest(self) -> bytes:
        """The bytes of the message that is not whole yet."""
        return bytes(self._buffer)

    def _too_large(self) -> Malformed:
        return Malformed("forward.too_large", why="too_large", limit=self._limit)
