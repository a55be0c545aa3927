"""Photo restoration (DDColor and the like): what tells that it went wrong, by the words of its log.

Its log lines have no form of their own, so `generic` reads them. Whether it runs inside ComfyUI or by itself, the
phrases are the same: https://github.com/piddnad/DDColor, and the services built on it.
"""

from __future__ import annotations

from typing import Any, Final

NAME: Final = "ddcolor"

_MUTED: Final = ["any-error", "new-error"]
"""What would tell the same failure again in fewer words."""

RULES: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "ddcolor-decode",
        "when": 'any service:ddcolor "failed to decode image"',
        "severity": 2,
        "inhibit": _MUTED,
    },
    {"id": "ddcolor-model", "when": 'any service:ddcolor "model not loaded"', "severity": 3, "inhibit": _MUTED},
    {
        "id": "ddcolor-oom",
        "when": 'any service:ddcolor level:(ERROR OR CRITICAL) ("out of memory" OR error_group:gpu_oom*)',
        "severity": 3,
        "advice": "out_of_memory",
        "inhibit": ["oom", *_MUTED],
    },
    {"id": "ddcolor-execution", "when": 'any service:ddcolor "execution error"', "severity": 2, "inhibit": _MUTED},
    {"id": "ddcolor-slow", "when": "run takes > 30s of service:ddcolor", "severity": 1},
)
"""Three failures in a row are urgent by the rule for every service, `failures-in-a-row`."""
