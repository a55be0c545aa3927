"""A bulk request and its answer, as bytes. Pure: no socket, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ...errors import SinkError, SinkMisconfigured
from ...wire.http import not_now

REASON_MAX: Final = 300
"""Characters kept of why an event was refused."""
_CONFLICT: Final = 409
_NO_WAY_IN: Final = frozenset({401, 403, 404})
"""What is said of an event and is no fault of the event: no rights, a missing index."""
_BUSY: Final = frozenset({"circuit_breaking_exception", "es_rejected_execution_exception"})
_BY_HAND: Final = frozenset(
    {
        "cluster_block_exception",  # the disk is over its flood stage, or the index may not be written
        "index_closed_exception",
        "index_not_found_exception",
        "validation_exception",  # the cluster has as many shards as it may
    }
)
"""Of these the first two pass by themselves, the others when a person does something about them."""
_NO_PIPELINE: Final = "pipeline with id"
"""How the refusal of an unknown pipeline begins; its type is `illegal_argument_exception`, like much that is final."""


class _Why(msgspec.Struct):
    type: str = ""
    reason: str | None = None
    caused_by: dict[str, object] | None = None


class _Item(msgspec.Struct):
    status: int
    error: _Why | str | None = None


class _Answer(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Item]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the documents of one request, by their position in it."""

    refused: dict[int, str] = field(default_factory=dict)
    """Never taken, and why."""
    later: dict[int, str] = field(default_factory=dict)
    """May be taken later, and why not now."""
    by_hand: set[int] = field(default_factory=set)
    """Which of those not before somebody changes something there."""


def parts(lines: Sequence[bytes], rows: Sequence[int], most_bytes: int) -> Iterator[list[int]]:
    """The rows in groups whose bodies have at most so many bytes; one that is larger by itself goes alone."""
    group: list[int] = []
    size = 0
    for row in rows:
        length = len(lines[row])
        if group and size + length > most_bytes:
            yield group
            group, size = [], 0
        group.append(row)
        size += length
    if group:
        yield group


def verdict(answer: bytes, count: int) -> Verdict:
    """Read the answer to a request of `count` documents. Raises SinkMisconfigured when it is not one, SinkError when it
    is about another number of documents."""
    try:
        said = msgspec.json.decode(answer, type=_Answer)
    except msgspec.MsgspecError as error:
        told = _short(answer.decode("utf-8", "replace"))
        raise SinkMisconfigured("sinks.elasticsearch.no_answer", answer=told) from error
    if len(said.items) != count:
        raise SinkError("sinks.elasticsearch.wrong_count", sent=count, answered=len(said.items))
    found = Verdict()
    if not said.errors:
        return found
    for position, item in enumerate(said.items):
        for operation, one in item.items():
            if one.status < 300 or (operation == "create" and one.status == _CONFLICT):
                continue
            why = _reason(one)
            by_hand = _is_by_hand(one, why)
            if by_hand:
                found.by_hand.add(position)
            (found.later if by_hand or _passes(one) else found.refused)[position] = why
    return found


def _passes(item: _Item) -> bool:
    return not_now(item.status) or _type(item) in _BUSY


def _is_by_hand(item: _Item, why: str) -> bool:
    return item.status in _NO_WAY_IN or _type(item) in _BY_HAND or _NO_PIPELINE in why


def _type(item: _Item) -> str:
    return item.error.type if isinstance(item.error, _Why) else ""


def _reason(item: _Item) -> str:
    error = item.error
    if not isinstance(error, _Why):
        return _short(f"{item.status} {error or ''}")
    cause = (error.caused_by or {}).get("reason")
    return _short(f"{item.status} {error.type}: {error.reason}" + (f": {cause}" if cause else ""))


def _short(text: str) -> str:
    return " ".join(text.split())[:REASON_MAX]
