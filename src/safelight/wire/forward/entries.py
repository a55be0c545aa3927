"""The entries of a message: decompressed, decoded and looked at one piece after the other, whatever their size.

What one entry holds cannot spoil the others: each that cannot be understood is handed on as `Broken`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgpack
import zstandard

from .frames import Malformed
from .messages import Message
from .time import EventTime, read_extension

DECOMPRESSED_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of a message once decompressed: as Fluentd (`decompression_size_limit`)."""
RECORD_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one entry: as a line of a file. A longer one is flagged, with its beginning."""
PIECE: Final = 512 * 1024
"""Decompressed and decoded at a time."""
KEPT: Final = 64 * 1024
"""Bytes that are shown of an entry that cannot be read."""
WINDOW_LIMIT: Final = 32 * 1024 * 1024
"""What zstd may ask for to decompress; its levels up to 19 use 8 MB."""
_STEP: Final = 64 * 1024  # what zlib has not used yet is copied each time
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GROUP_BEGINS: Final = -1  # https://docs.fluentbit.io/manual/data-pipeline/processors: log groups
_DAMAGE: Final = (ValueError, TypeError, OverflowError, RecursionError)


class Entry(NamedTuple):
    """An event of a sender's. `time` is an EventTime, seconds as a number, or None."""

    time: Any
    record: dict[Any, Any]


class Broken(NamedTuple):
    """What should have been an entry, as text, and why it is none."""

    text: str
    why: str


def entries(message: Message, limit: int = DECOMPRESSED_LIMIT) -> Iterator[list[Entry | Broken]]:
    """The entries of a message, some thousands at a time. Raises Malformed when it cannot be decompressed."""
    reader = _Reader(message)
    window = bytearray()
    scan_at = PIECE  # what is decompressed may come a few bytes at a time
    for piece in _pieces(message.run, limit):
        window += piece
        if len(window) < scan_at:
            continue
        found, taken = reader.read(bytes(window))
        if found:
            yield found
        if taken is None:
            return
        del window[:taken]
        scan_at = max(PIECE, 2 * len(window))  # an entry of many pieces is not looked at anew for each of them
    if window:
        found, taken = reader.read(bytes(window))
        if taken is not None and taken < len(window):
            found.append(_broken(bytes(window[taken:]), "entry cut off by the end of the message"))
        if found:
            yield found


def _pieces(run: memoryview, limit: int) -> Iterator[bytes]:
    """What is in the run, decompressed when it is compressed: no entry begins with the magic of either form."""
    if bytes(run[:2]) == _GZIP_MAGIC:
        found = _gunzipped(run)
    elif bytes(run[:4]) == _ZSTD_MAGIC:
        found = _unzstandard(run)
    else:
        found = (bytes(run[at : at + PIECE]) for at in range(0, len(run), PIECE))
    total = 0
    for piece in found:
        total += len(piece)
        if total > limit:
            raise Malformed("forward.bomb", why="too_large", limit=limit)
        yield piece


def _gunzipped(run: memoryview) -> Iterator[bytes]:
    """gzip, also several members one after the other (RFC 1952 §2.2)."""
    member = zlib.decompressobj(wbits=31)
    try:
        for at in range(0, len(run), _STEP):
            data: bytes | memoryview = run[at : at + _STEP]
            while data:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                yield member.decompress(data, PIECE)
                data = member.unconsumed_tail or member.unused_data
        yield member.flush()
    except zlib.error as error:
        raise Malformed("forward.not_decompressed", reason=f"gzip: {error}") from error
    if not member.eof:
        raise Malformed("forward.not_decompressed", reason="gzip: truncated")


def _unzstandard(run: memoryview) -> Iterator[bytes]:
    """zstd, also several frames one after the other (RFC 8878 §3)."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_LIMIT)
    try:
        if not _is_whole(run):
            raise Malformed("forward.not_decompressed", reason="zstd: truncated")
        with decompressor.stream_reader(io.BytesIO(run), read_across_frames=True) as stream:
            while piece := stream.read(PIECE):
                yield piece
    except zstandard.ZstdError as error:
        raise Malformed("forward.not_decompressed", reason=f"zstd: {error}") from error


def _is_whole(run: memoryview) -> bool:
    """Whether the last frame ends where the bytes end: zstd's reader says nothing about one that does not."""
    at = 0
    while at < len(run):
        head = bytes(run[at : at + 18])
        at += zstandard.frame_header_size(head)
        last = False
        while not last:  # RFC 8878 §3.1.1.2: the last of all, its type, its size, in 3 bytes
            block = int.from_bytes(run[at : at + 3], "little")
            at += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
            last = bool(block & 1) or at > len(run)
        at += 4 * zstandard.get_frame_parameters(head).has_checksum
    return at == len(run)


class _Reader:
    """Decodes what is whole, and remembers the group that entries stand in."""

    def __init__(self, message: Message) -> None:
        self._group: dict[Any, Any] | None = None
        self._metadata = message.metadata

    def read(self, window: bytes) -> tuple[list[Entry | Broken], int | None]:
        """The entries that are whole, and how many bytes they took; None when what follows cannot be told apart."""
        ends, lost = _ends(window)
        raw: list[Any] = []
        done = 0
        if ends and not any(end - begin > RECORD_LIMIT for begin, end in zip([0, *ends], ends, strict=False)):
            unpacker = _unpacker(ends[-1])
            unpacker.feed(window[: ends[-1]])
            try:
                for one in unpacker:
                    raw.append(one)  # noqa: PERF402 - what was decoded before an error must stay
            except _DAMAGE:
                pass
            done = len(raw)
        found = [entry for one in raw if (entry := self._entry(one)) is not None]
        for at in range(done, len(ends)):
            alone = window[ends[at - 1] if at else 0 : ends[at]]
            if (entry := self._alone(alone)) is not None:
                found.append(entry)
        taken = ends[-1] if ends else 0
        if lost is not None:
            found.append(_broken(window[taken:], f"not MessagePack from here on: {lost}"))
            return found, None
        return found, taken

    def _alone(self, data: bytes) -> Entry | Broken | None:
        if len(data) > RECORD_LIMIT:
            return _broken(data, f"entry of {len(data)} bytes, over the limit of {RECORD_LIMIT}")
        unpacker = _unpacker(len(data))
        unpacker.feed(data)
        try:
            return self._entry(unpacker.unpack())
        except _DAMAGE as error:
            return _broken(data, f"entry cannot be decoded: {error or type(error).__name__}")

    def _entry(self, one: Any) -> Entry | Broken | None:
        """What an entry is; None for a marker of Fluent Bit's, which begins or ends a group."""
        if type(one) is not list or len(one) < 2:
            return Broken(shown(one), f"not an entry of time and record: {type(one).__name__}")
        time, record = one[0], one[1]
        metadata = self._metadata
        if type(time) is list:  # Fluent Bit: [[time, metadata], record]
            metadata = time[1] if len(time) > 1 and isinstance(time[1], dict) else None
            time = time[0] if time else None
        if type(time) is EventTime and time.seconds < 0:
            self._group = None
            if time.seconds == _GROUP_BEGINS and isinstance(record, dict):
                self._group = {**(metadata or {}), **record}
            return None
        if type(record) is not dict:
            return Broken(shown(record), f"record is no map: {type(record).__name__}")
        if metadata:
            record.setdefault("metadata", metadata)
        if self._group:
            record.setdefault("group", self._group)
        return Entry(time, record)


def _ends(window: bytes) -> tuple[list[int], str | None]:
    """Where the whole entries end, and what is wrong with what follows."""
    scanner = msgpack.Unpacker(max_buffer_size=len(window))
    scanner.feed(window)
    ends: list[int] = []
    try:
        while True:
            scanner.skip()
            ends.append(scanner.tell())
    except msgpack.OutOfData:
        return ends, None
    except ValueError as error:
        return ends, type(error).__name__


def _unpacker(size: int) -> msgpack.Unpacker:
    """For bytes that are known to be whole objects."""
    return msgpack.Unpacker(
        unicode_errors="surrogateescape",
        strict_map_key=False,
        ext_hook=read_extension,
        timestamp=3,
        max_buffer_size=size,
        max_array_len=size,
        max_map_len=size,
    )


def _broken(data: bytes, why: str) -> Broken:
    return Broken(data[:KEPT].decode("utf-8", "replace"), why)


def shown(value: Any) -> str:
    """What should have been an event, as text."""
    try:
        return repr(value)[:KEPT].encode("utf-8", "replace").decode()
    except RecursionError:
        return f"{type(value).__name__}, nested too deeply"
