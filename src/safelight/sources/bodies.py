"""The body of a request: read whole, decompressed, both within bounds whatever the sender says about it.

Content codings: RFC 9110 §8.4.1 (gzip, deflate), RFC 9659 (zstd, which there has a window of 8 MB at most).
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
import zstandard
from starlette.requests import Request

from ..errors import SafelightError
from .inbox import Busy

MOST_BYTES: Final = 64 * 1024 * 1024
"""Of one body, as it is sent and as it is decompressed; a larger one is refused (413)."""
MOST_IN_HAND_BYTES: Final = 192 * 1024 * 1024
"""Of all bodies of a source that are being read at once; a sender beyond it is told to come again (429)."""
SILENCE_S: Final = 30.0
"""A sender that stops in the middle of a body for longer is refused (408)."""
WINDOW_BYTES: Final = 8 * 1024 * 1024
"""Of zstd: how far back a body may refer."""
THREAD_BYTES: Final = 64 * 1024
"""A larger body is taken apart in a worker thread: so much takes a millisecond."""
_PIECE_BYTES: Final = 1024  # decompressed in one go: at most 256 blocks of zstd of 4 bytes, which become 128 KB each
_THREADS: Final = 2  # at the same time: each may have a whole body in hand

Made = TypeVar("Made")
Compressed = bytes | bytearray


class Refused(SafelightError):
    """A request that is not taken. `status`: of HTTP; `why`: a word for counting."""

    def __init__(self, key: str, /, status: int, why: str, **values: object) -> None:
        super().__init__(key, **values)
        self.status = status
        self.why = why


class Bodies:
    """Reads the bodies that are sent to one source."""

    def __init__(self) -> None:
        self._in_hand = 0
        self._limiter: anyio.CapacityLimiter | None = None

    @asynccontextmanager
    async def read(self, request: Request, took: Callable[[int], None]) -> AsyncIterator[bytes]:
        """The decompressed body, which is counted as in hand until the end of the block. `took` is told how many bytes
        came. Raises Refused, Busy."""
        coding = _coding(request.headers.get("content-encoding", ""))
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > MOST_BYTES:
            raise _too_large()
        held = 0
        body = bytearray()
        try:
            chunks = request.stream()
            while (chunk := await _next(chunks)) is not None:
                took(len(chunk))
                if len(body) + len(chunk) > MOST_BYTES:
                    raise _too_large()
                if self._in_hand + len(chunk) > MOST_IN_HAND_BYTES:
                    raise Busy("sources.busy")
                body += chunk
                held += len(chunk)
                self._in_hand += len(chunk)
            if not coding:
                whole = bytes(body)
                body = bytearray()  # else it would be there twice for as long as the block takes
                yield whole
                return
            # Also a small one: it may become a large one.
            decoded = await self.work(decompressed, body, coding, size=MOST_BYTES)
            held += len(decoded)
            self._in_hand += len(decoded)
            body = bytearray()
            yield decoded
        finally:
            self._in_hand -= held

    async def work(self, function: Callable[..., Made], *arguments: Any, size: int) -> Made:
        """What `function` makes of a body of this size: in a worker thread, if that is large."""
        if size <= THREAD_BYTES:
            return function(*arguments)
        self._limiter = self._limiter or anyio.CapacityLimiter(_THREADS)
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._limiter)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    try:
        with anyio.fail_after(SILENCE_S):
            return await anext(chunks, None)
    except TimeoutError as error:
        raise Refused("sources.too_slow", 408, "too_slow", seconds=f"{SILENCE_S:g}") from error


def _coding(header: str) -> str:
    """gzip, deflate or zstd, or nothing. Two of them over each other are refused: nobody needs that but bombs."""
    named = [one.strip().lower() for one in header.split(",")]
    codings = [one.removeprefix("x-") for one in named if one not in {"", "identity"}]
    if not codings:
        return ""
    if len(codings) > 1 or codings[0] not in _DECODERS:
        raise Refused("sources.unknown_encoding", 415, "encoding", given=header[:100])
    return codings[0]


def _too_large() -> Refused:
    return Refused("sources.body_too_large", 413, "too_large", limit=MOST_BYTES >> 20)


def decompressed(body: bytes | bytearray, coding: str, limit: int = MOST_BYTES) -> bytes:
    """What `body` holds. Raises Refused when that is more than `limit` bytes (taking at most 32 MB more until then), or
    when it is damaged or cut off."""
    found: list[bytes] = []
    size = 0
    try:
        for piece in _pieces(memoryview(body), _DECODERS[coding](body)):
            size += len(piece)
            if size > limit:
                raise _too_large()
            found.append(piece)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise Refused("sources.damaged_body", 400, "damaged", coding=coding, reason=str(error)) from error
    return b"".join(found)


def _pieces(body: memoryview, new_decoder: Callable[[], Any]) -> Iterator[bytes]:
    """Decompressed, one member or frame after another, as `cat a.gz b.gz` makes them."""
    decoder = new_decoder()
    for at in range(0, len(body), _PIECE_BYTES):
        left = bytes(body[at : at + _PIECE_BYTES])
        while left:
            if decoder.eof:
                decoder = new_decoder()
            yield decoder.decompress(left)
            left = decoder.unused_data if decoder.eof else b""
    if body and not decoder.eof:
        raise EOFError("cut off")


def _gzip(_: Compressed) -> Callable[[], Any]:
    return partial(zlib.decompressobj, 16 + zlib.MAX_WBITS)


def _deflate(body: Compressed) -> Callable[[], Any]:
    """In its zlib wrapping (RFC 1950 §2.2), as it should be, or without, as some send it (RFC 9110 §8.4.1.2)."""
    wrapped = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return partial(zlib.decompressobj, zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _zstd(_: Compressed) -> Callable[[], Any]:
    """One decompressor for all frames: a new one takes 10 us, and 64 MB may be 7 million frames."""
    return zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj


_DECODERS: Final[dict[str, Callable[[Compressed], Callable[[], Any]]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
