"""One message: events of one tag, in any of the four modes, and what acknowledges them.

All modes are read as one: a run of entries, `[time, record]` after `[time, record]`, which is what PackedForward sends
as it is; a Message is a run of one.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgpack
import msgspec
import zstandard

from .frames import Malformed
from .time import read_extension

Compression = Literal["gzip", "zstd", "none"]

SIGNALS: Final = {1: "metrics", 2: "traces", 3: "profiles"}
"""What Fluent Bit sends besides logs, by the option `fluent_signal`."""

_GZIP_LEVEL: Final = 1
"""5,000 events, 1 MB: 6 ms against 17 at level 6, for 11 % more bytes. zstd takes 3 ms for the bytes of level 6."""
_RUN_HEADERS: Final = {0xD9: 2, 0xC4: 2, 0xDA: 3, 0xC5: 3, 0xDB: 5, 0xC6: 5}  # str and bin, of any length
_ARRAY_HEADERS: Final = {0xDC: 3, 0xDD: 5}
_TAG_LIMIT: Final = 1_000
_SMALL_LIMIT: Final = 256 * 1024

_encoder: Final = msgspec.msgpack.Encoder()
_packer_options: Final[dict[str, Any]] = {"unicode_errors": "surrogateescape"}


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came. `run` are its entries, packed and perhaps compressed."""

    tag: str
    run: memoryview
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None
    """Fluent Bit's, of the only entry of a Message."""

    @property
    def chunk(self) -> Any:
        """What the sender wants acknowledged; None when nothing."""
        return self.options.get("chunk")

    @property
    def signal(self) -> str | None:
        """What it holds when it holds no logs, such as `metrics`."""
        signal = self.options.get("fluent_signal")
        return SIGNALS.get(signal, "unknown_signal") if isinstance(signal, int) and signal else None

    def ack(self) -> bytes:
        """The answer that says it is durable."""
        return bytes(msgpack.packb({"ack": self.chunk}, **_packer_options))


def read(data: bytes) -> Message | None:
    """A message from the bytes of one; None for the nil that keeps a connection alive. Raises Malformed."""
    if data == b"\xc0":
        return None
    scanner = msgpack.Unpacker(max_buffer_size=len(data))
    scanner.feed(data)
    try:
        return _parts(scanner, memoryview(data))
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.OutOfData) as error:
        raise Malformed("forward.not_a_message", reason=type(error).__name__) from error


def _parts(scanner: msgpack.Unpacker, data: memoryview) -> Message:
    parts = scanner.read_array_header()
    tag = _small(scanner, data)
    if isinstance(tag, bytes):
        tag = tag.decode("utf-8", "surrogateescape")
    if not isinstance(tag, str) or not 2 <= parts <= 4:
        raise Malformed("forward.not_a_message", reason="tag")
    begin = scanner.tell()
    header = _header(data[begin])
    scanner.skip()
    if header:
        run = data[begin + header : scanner.tell()]
        taken = 2
    else:
        scanner.skip()
        run = memoryview(b"\x92" + data[begin : scanner.tell()])
        taken = 3
    options = _small(scanner, data) if parts > taken else None
    if options is not None and not isinstance(options, dict):  # older Dockers send nil
        raise Malformed("forward.not_a_message", reason="options")
    metadata = (options or {}).get("metadata") if taken == 3 else None
    clean = tag.encode("utf-8", "replace").decode()[:_TAG_LIMIT]
    return Message(clean, run, options or {}, metadata if isinstance(metadata, dict) else None)


def _small(scanner: msgpack.Unpacker, data: memoryview) -> Any:
    """What stands beside the entries. In memory it may take 64 times its bytes, so that these have a limit of their
    own."""
    begin = scanner.tell()
    scanner.skip()
    size = scanner.tell() - begin
    if size > _SMALL_LIMIT:
        raise Malformed("forward.not_a_message", why="too_large", reason=f"{size} bytes beside the entries")
    return msgpack.unpackb(
        data[begin : begin + size], unicode_errors="surrogateescape", strict_map_key=False, ext_hook=read_extension
    )


def _header(first: int) -> int:
    """How many bytes stand before the entries in a list or a run of them; 0 when this is a time."""
    if 0xA0 <= first <= 0xBF or 0x90 <= first <= 0x9F:
        return 1
    return _RUN_HEADERS.get(first) or _ARRAY_HEADERS.get(first, 0)


def write(tag: str, run: bytes, count: int, compression: Compression, chunk: str | None) -> bytes:
    """A message in PackedForward or CompressedPackedForward mode."""
    options: dict[str, Any] = {"size": count}
    if chunk is not None:
        options["chunk"] = chunk
    if compression == "gzip":
        run = gzip.compress(run, _GZIP_LEVEL, mtime=0)
    elif compression == "zstd":
        run = zstandard.compress(run)
    if compression != "none":
        options["compressed"] = compression
    return _encoder.encode([tag, run, options])


def acknowledged(data: bytes) -> Any:
    """The chunk that an answer names. Raises Malformed when it names none."""
    try:
        answer = msgpack.unpackb(data, strict_map_key=False, **_packer_options)
    except (ValueError, TypeError) as error:
        raise Malformed("forward.not_a_message", reason=type(error).__name__) from error
    if not isinstance(answer, dict) or "ack" not in answer:
        raise Malformed("forward.not_a_message", reason="ack")
    return answer["ack"]


def packed(entries: Iterator[Any]) -> bytes:
    """Entries, one after the other, as a run."""
    return b"".join(map(_encoder.encode, entries))
