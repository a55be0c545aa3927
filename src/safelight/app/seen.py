"""Which batches of an agent's queue are here already, however long ago they came.

The store remembers the last 10,000 batch ids of everybody, which is minutes with a hundred agents. A queue sends one
batch again until it is taken, and none that came before it: one mark per queue tells for good. It is committed with the
events, as a position is.

A lower number is no sign that a batch is here: a queue that was restored from a copy, or copied to another machine,
counts from there again, with other events. Should an old request still come in late, the store's own memory tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ..batch import Checkpoint

PREFIX: Final = "agent:"
MOST_QUEUES: Final = 1_000
"""Of all agents; for those beyond only the store's own batch ids count."""
_ID: Final = re.compile(r"(?P<queue>.{1,200})-\d{1,18}-(?P<last>\d{1,18})\.(?P<part>[0-9a-f]{24})", re.DOTALL)
"""As `sinks/safelight.py` makes it: the queue, the frames of the batch, and which part of it where it was too large."""


class _Mark(msgspec.Struct):
    last: int
    parts: list[str]


def arrived(batch_id: str | None, durable: Mapping[str, str]) -> Checkpoint | None:
    """None for a batch that is here already; else what becomes true with it. `durable`: the store's checkpoint."""
    found = _ID.fullmatch(batch_id or "")
    if found is None:
        return {}
    key, last, part = PREFIX + found["queue"], int(found["last"]), found["part"]
    mark = _mark(durable.get(key))
    if mark is not None and last == mark.last and part in mark.parts:
        return None
    if mark is None and sum(name.startswith(PREFIX) for name in durable) >= MOST_QUEUES:
        return {}
    parts = [*mark.parts, part] if mark is not None and mark.last == last else [part]
    return {key: msgspec.json.encode(_Mark(last, parts)).decode()}


def _mark(text: str | None) -> _Mark | None:
    try:
        return msgspec.json.decode(text, type=_Mark) if text else None
    except msgspec.MsgspecError:
        return None
