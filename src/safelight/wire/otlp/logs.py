"""Log records as events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ...event import LEVELS, level_of
from .values import attributes, hexadecimal, merged, plain, whole

HIGHEST: Final = 24
"""https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber"""
_TEXT: Final = msgspec.json.Encoder().encode


def events(record: Any) -> Iterator[dict[str, Any]]:
    """What a record says: one event."""
    yield _event(record)


def level(number: int, word: str = "") -> str | None:
    """Four numbers a level from 1 on: trace, debug, info, warn, error, fatal. Without one, what the word says."""
    if 0 < number <= HIGHEST:
        return LEVELS[max(0, (number - 1) // 4 - 1)]
    return level_of(word) if word else None


def _event(record: Any) -> dict[str, Any]:
    at = whole(record.time_unix_nano) or whole(record.observed_time_unix_nano)
    own = {
        "timestamp": at or None,
        "level": level(whole(record.severity_number), record.severity_text),
        "event": record.event_name or None,
        "trace_id": hexadecimal(record.trace_id),
        "span_id": hexadecimal(record.span_id),
    }
    return merged({**_said(plain(record.body)), **attributes(record.attributes)}, own)


def _said(body: Any) -> dict[str, Any]:
    """A body that is an object, or a line of JSON as a file held it, gives its members; any other is the message."""
    match body:
        case None:
            return {}
        case dict():
            return body
        case str() if body.startswith("{"):
            try:
                inner = msgspec.json.decode(body)
            except (msgspec.MsgspecError, RecursionError):
                inner = None
            return inner if isinstance(inner, dict) and inner else {"message": body}
        case str():
            return {"message": body}
    return {"message": _TEXT(body).decode()}
