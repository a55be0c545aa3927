"""EventTime: seconds and nanoseconds since 1970 UTC, as extension type 0 (specification, "EventTime Ext Format")."""

from __future__ import annotations

import struct
import time
from functools import lru_cache
from typing import Any, Final, NamedTuple

CODE: Final = 0
_FORM: Final = struct.Struct(">II")


class EventTime(NamedTuple):
    """A moment, or, with negative seconds, a marker of Fluent Bit's."""

    seconds: int
    nanoseconds: int

    @classmethod
    def unpack(cls, data: bytes) -> EventTime:
        """From its 8 bytes. Seconds are unsigned up to 2106 on the wire, but Fluent Bit writes -1 and -2 into them."""
        seconds, nanoseconds = _FORM.unpack(data)
        return cls(seconds if seconds < (1 << 32) - 16 else seconds - (1 << 32), nanoseconds)

    @classmethod
    def of_us(cls, microseconds: int) -> EventTime:
        """From what a batch holds. What is before 1970 or after 2106 becomes the nearest that there is."""
        seconds, rest = divmod(microseconds, 1_000_000)
        if seconds < 0:
            return cls(0, 0)
        return cls(min(seconds, (1 << 32) - 17), rest * 1_000)

    def pack(self) -> bytes:
        """Its 8 bytes."""
        return _FORM.pack(self.seconds % (1 << 32), self.nanoseconds)

    def text(self) -> str:
        """ISO 8601 in UTC with microseconds, which is what an event keeps."""
        return f"{_second(self.seconds)}.{self.nanoseconds // 1_000 % 1_000_000:06d}Z"


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(max(seconds, 0)))


def read_extension(code: int, data: bytes) -> Any:
    """What the decoder makes of an extension: a time, or the extension as an object that JSON can hold."""
    if code == CODE and len(data) == _FORM.size:
        return EventTime.unpack(data)
    return {"extension": code, "data": data.hex()}
