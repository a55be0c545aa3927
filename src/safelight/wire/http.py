"""When the same HTTP request may be tried again, by its answer."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

_NOT_NOW: Final = frozenset({408, 425, 429})
"""Besides 5xx (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""


def not_now(status: int) -> bool:
    """The same request may succeed later."""
    return status in _NOT_NOW or status >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `Retry-After` (RFC 9110 §10.2.3: seconds, or a date, taken relative to the `Date` header).

    `headers`: looked up by names in small letters.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None
