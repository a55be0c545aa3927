"""Identifiers for what has none yet."""

from __future__ import annotations

import os
import time
from uuid import UUID


def uuid7() -> str:
    """A UUID whose first 48 bits are the time in ms: sorts by age (RFC 9562 §5.7)."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = stamp << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(UUID(int=value))
