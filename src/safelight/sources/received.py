"""What was sent to us, as a batch of raw lines: the bytes as they came, when, and from whom."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ..batch import Batch, unchecked_text
from ..identifier import uuid7
from ..processors.parse.line import LINE_LIMIT

MOST_RECORDS: Final = 100_000
"""Of one request; one with more is refused (413)."""
MOST_RECORD_BYTES: Final = LINE_LIMIT
"""Of one record: a longer one would be cut when it is read, so its sender is told instead."""
ROW_BYTES: Final = 200
"""What a row takes in memory beside its bytes."""


def ids(count: int) -> list[str]:
    """UUIDs (version 7) that sort in this order. One random number serves them all, as RFC 9562 §6.2 (method 2) has it:
    0.2 µs each, where new ones take 2."""
    prefix = uuid7()[:-8]
    first = int.from_bytes(os.urandom(4), "big") >> 1
    return [f"{prefix}{number:08x}" for number in range(first, first + count)]


def received(
    lines: Sequence[bytes], source: str, constants: Mapping[str, str | None], given: Sequence[str | None] | None = None
) -> Batch:
    """One row a record. `given`: ids that the sender gave, None where it gave none."""
    made = ids(len(lines))
    columns: dict[str, Any] = {
        **constants,
        "id": made if given is None else [one or new for one, new in zip(given, made, strict=True)],
        "raw": unchecked_text(list(lines)),
        "received_at": datetime.now(UTC),
        "source": source,
    }
    return Batch.from_columns(len(lines), columns)


def size(lines: Sequence[bytes]) -> int:
    """What such a batch takes in memory, about, in bytes."""
    return sum(map(len, lines)) + ROW_BYTES * len(lines)
