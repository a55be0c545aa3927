"""An entry as a line: one JSON object, which the pipeline understands like any other."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any, Final

import msgspec

from .entries import Broken, Entry, shown
from .time import EventTime

_encode: Final = msgspec.json.Encoder().encode
_LONE: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # half of a pair, as JavaScript cuts text; no byte's stand-in
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def readable(record: dict[Any, Any]) -> dict[str, Any]:
    """The record as JSON can hold it: keys and binary values become text, times ISO 8601.

    Fluentd sends lines as binary unless it was told their encoding. What is not UTF-8 stays recognisable (surrogate
    escapes) until the line is written.
    """
    if {*map(type, record)} <= {str} and {*map(type, record.values())} <= _PLAIN:
        return record
    return {_text(key): _value(value) for key, value in record.items()}


def _value(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is bytes:
        return value.decode("utf-8", "surrogateescape")
    if kind is dict:
        return {_text(key): _value(inner) for key, inner in value.items()}
    if kind is list:
        return [_value(inner) for inner in value]
    return _moment(value)


def _text(key: Any) -> str:
    if isinstance(key, str):
        return key
    return key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else str(_moment(key))


def _moment(value: Any) -> Any:
    if isinstance(value, EventTime):
        return value.text()
    return value.isoformat() if isinstance(value, datetime) else value


def line(record: dict[str, Any]) -> bytes:
    """The line of a readable record. Text that was not UTF-8 is written as the bytes it was: `parse` finds out."""
    try:
        return _encode(record)
    except UnicodeEncodeError:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        return _LONE.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def timed(entry: Entry) -> str | int | float | None:
    """When the sender says it was; None when it does not say."""
    time = entry.time
    if type(time) is EventTime:
        return time.text() if time.seconds else None
    return time if isinstance(time, int | float) and not isinstance(time, bool) and time else None


def unkept(value: Any, error: Exception) -> bytes:
    """The line of a record that JSON cannot hold, such as one that is nested too deeply."""
    return flagged(Broken(shown(value), f"record cannot be kept: {error}"))


def flagged(broken: Broken) -> bytes:
    """The line of what is no event: kept, and saying why."""
    fields = {"level": "WARNING", "message": broken.text, "raw": broken.text, "parse_error": broken.why}
    return line(fields)
