"""Reading what events say: rows of a store, attributes that anybody wrote, times of the API.

A value of the wrong type is no value; nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import msgspec

from ... import rows
from ...query.sql import Span
from ...query.times import EARLIEST, INSTANT, LATEST

Row = Mapping[str, Any]


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def text(value: Any) -> str | None:
    """A text that says something, or None."""
    return value if isinstance(value, str) and value else None


def attributes(row: Row) -> dict[str, Any]:
    """What an event says beside the columns."""
    try:
        found = msgspec.json.decode(row["attributes"] or "{}")
    except (msgspec.DecodeError, RecursionError):  # or nested so deeply that nobody can have meant it
        return {}
    return found if isinstance(found, dict) else {}


def document(written: str | None) -> Any:
    """The value of a kept document; None when there is none, or a redaction of the user's own has cut into it.

    A prompt may hold NaN: Python's JSON writes it, ComfyUI takes it.
    """
    try:
        return json.loads(written) if written is not None else None
    except (ValueError, RecursionError):
        return None


def decoded(table_rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Rows with their attributes as an object."""
    return [{**row, "attributes": attributes(row)} for row in table_rows]


def moment(at: datetime | None) -> str | None:
    """As the API writes times."""
    return rows.iso(at) if at else None


def time_of(written: str | None) -> datetime | None:
    """The time that `moment` wrote; None for none, and for one before the year 1000, which it cannot write."""
    try:
        return datetime.fromisoformat(written).astimezone(UTC) if written else None
    except (ValueError, OverflowError):  # no time, or one that its zone puts beyond the calendar
        return None


def span_around(first: datetime, last: datetime, before: timedelta = timedelta()) -> Span:
    """From so long before the first moment to the last one, both in it; open where the calendar ends."""
    return Span(
        None if first - EARLIEST <= before else first - before,
        None if last >= LATEST else last + INSTANT,
    )


def between(start: datetime | None, end: datetime | None) -> float | None:
    """Milliseconds."""
    return round((end - start) / timedelta(milliseconds=1), 3) if start and end else None


def greatest(*values: Any) -> float | None:
    """The greatest of those that are numbers."""
    return max((known for value in values if (known := number(value)) is not None), default=None)
