"""A service of ID photos: few requests, each by a customer whose picture may be the wrong one.

A customer tries a picture without a face three times: that is no reason to wake anybody, so `failures-in-a-row` and
`failure-rate` leave this service out, and its own rate looks at an hour.
"""

from __future__ import annotations

from typing import Any, Final

NAME: Final = "idphoto"

RULES: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "idphoto-failure-rate",
        "when": "failure rate of service:idphoto by service > 15% over 1h, at least 10 runs",
        "clear": "failure rate of service:idphoto by service < 8% over 1h",
        "severity": 3,
        "inhibit": ["idphoto-errors", "error-rate", "any-error", "new-error"],
    },
    {
        "id": "idphoto-slow",
        "when": "mean duration_ms of event:image_processed service:idphoto by service > 2s over 15m, at least 20",
        "severity": 2,
    },
    {
        "id": "idphoto-errors",
        "when": "more than 5 level:(ERROR OR CRITICAL) service:idphoto by service over 1h",
        "severity": 2,
    },
)
"""Harmless where there is no such service. More than 10 errors an hour are urgent by the rule for every service."""

EXPECTED: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "idphoto-volume",
        "when": "fewer than 10 event:image_processed service:idphoto over 1d",
        "severity": 2,
    },
)
"""Only where such a service is expected: nothing at all counts as too few."""
