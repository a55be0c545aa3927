"""A stream of bytes, cut into whole MessagePack objects."""

from __future__ import annotations

from typing import Final, Literal

import msgpack

from ...errors import InputError

MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message. Fluentd's chunks have 8 MB (memory) and at most 256 MB (file), Fluent Bit's 2 MB."""


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
        self._scanner = msgpack.Unpacker(max_buffer_size=limit + 1)
        self._start = 0  # of the message in hand, counted from the first byte of the stream
        self._dropped = 0  # bytes of the stream that left the buffer

    @property
    def pending(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes. Raises Malformed."""
        self._buffer += data
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
        except msgpack.BufferFull as error:
            raise self._too_large() from error
        except ValueError as error:
            raise Malformed("forward.not_messagepack", reason=type(error).__name__) from error
        del self._buffer[: self._start - self._dropped]
        self._dropped = self._start
        if len(self._buffer) > self._limit or any(len(message) > self._limit for message in messages):
            raise self._too_large()
        return messages

    def rest(self) -> bytes:
        """The bytes of the message that is not whole yet."""
        return bytes(self._buffer)

    def _too_large(self) -> Malformed:
        return Malformed("forward.too_large", why="too_large", limit=self._limit)
