"""The rules that come with Safelight: those for every service, and what the profiles in `services` add.

One failure makes one message: the rule that says most about it inhibits those that would say it again. Everything but
matches is told apart by service at least, so that a rule about one service never mutes another's. Titles are in the
catalogue, `rule.ID.title`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..alerts.rule import Rule
from ..services import profiles

_SAME: Final = ["any-error", "new-error"]
"""What tells a single failure again in fewer words."""
_SEVERAL: Final = [*_SAME, "error-rate", "idphoto-errors"]
"""What tells many failures again."""

_OF_EVERY_SERVICE: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "oom",
        "when": "any event:node_failed error_group:gpu_oom*",
        "severity": 3,
        "inhibit": _SAME,
    },
    {
        "id": "process-gone",
        "when": "any (event:instance_unreachable level:ERROR) OR event:worker_dead",
        # A run that begins is a sign of life, too: a restart between two looks of the watcher shows by nothing else.
        "clear": "any event:(instance_recovered OR instance_restarted OR instance_started OR run_started)",
        "severity": 3,
        "inhibit": ["runs-lost", "failures-in-a-row", "stuck", *_SAME],
    },
    {
        "id": "process-killed",
        # A process that the kernel killed is named by the kernel: ComfyUI's is the interpreter.
        "when": "any event:oom_killed (service:comfyui OR process:python*)",
        "severity": 3,
        "inhibit": _SAME,
    },
    {
        "id": "runs-lost",
        # What was in the queue of a process that ended. Three are failures in a row as well.
        "when": "any event:run_lost",
        "severity": 3,
        "inhibit": ["failures-in-a-row", *_SAME],
    },
    {
        "id": "failure-rate",
        "when": "failure rate of NOT service:idphoto by service > 15% over 15m, at least 20 runs",
        "clear": "failure rate of NOT service:idphoto by service < 8% over 15m",
        "severity": 3,
        "inhibit": ["failures-in-a-row", *_SEVERAL],
    },
    {
        "id": "failures-in-a-row",
        "when": "3 failures in a row of NOT service:idphoto",
        "severity": 3,
        "inhibit": _SEVERAL,
    },
    {
        "id": "error-rate",
        "when": "more than 10 level:(ERROR OR CRITICAL) by service over 1h",
        "severity": 3,
        "inhibit": ["idphoto-errors"],
    },
    {"id": "any-error", "when": "any level:(ERROR OR CRITICAL)", "severity": 2, "inhibit": ["new-error"]},
    {"id": "stuck", "when": "any event:run_stuck", "severity": 2},
    {
        "id": "bad-output",  # previews may be black: masks are
        "when": "any event:output_saved type:output check:(black OR nan OR empty OR unreadable OR missing)",
        "severity": 2,
    },
    {"id": "queue-done", "when": "queue empties after 30m", "severity": 2},
    {
        "id": "gpu-hot",
        "when": "gpu.temperature_c > 87 for 2m",
        "clear": "gpu.temperature_c < 80",
        "severity": 2,
        "then": [{"pause_queue": {}}],
    },
    {
        "id": "disk-full",
        "when": "host_load.disk_fullest_free_mb < 1GB for 1m",
        "clear": "host_load.disk_fullest_free_mb > 2GB",
        "severity": 2,
    },
    {"id": "slower-than-usual", "when": "duration_ms by node 2x its usual over 1h, at least 10", "severity": 1},
    {"id": "new-error", "when": "new error group within 30d", "severity": 1},
)


def _rules(written: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    return tuple(Rule.model_validate(fields) for fields in written)


ALWAYS: Final = _rules(fields for rules in (_OF_EVERY_SERVICE, *(one.rules for one in profiles())) for fields in rules)
EXPECTED: Final = {one.name: _rules(one.expected) for one in profiles()}
"""By service: what is missed only where it is named."""

DEFAULT_RULES: Final = (*ALWAYS, *(rule for rules in EXPECTED.values() for rule in rules))
"""All of them, whether they are on or not."""

KNOWN: Final = frozenset(rule.id for rule in DEFAULT_RULES)
"""Their ids."""
