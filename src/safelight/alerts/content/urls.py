"""Where a message leads: the run, its log lines, the alert, and pages on which one tap does something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from ..alert import Alert
from ..links import TOGETHER_MAX, Do, Sign
from ..rule import Rule

_OF_COMFYUI: Final = ("run_", "node_")
"""How the events begin of runs that can be submitted again."""


def links(alerts: Sequence[Alert], rule: Rule | None, base_url: str | None, sign: Sign | None = None) -> dict[str, str]:
    """By what they do: `run`, `logs`, `alert`; with `sign` also `silence`, `acknowledge` and `replay`.

    One tap is for at most TOGETHER_MAX alerts: of more nobody could read what the page says it will do.
    """
    if not base_url:
        return {}
    base, first = base_url.rstrip("/"), alerts[0]
    found: dict[str, str] = {}
    event = next((event for event in reversed(first.events) if event.get("workflow_id")), None)
    run = str(event["workflow_id"]) if event else None
    if run:
        escaped = run.replace("\\", "\\\\").replace('"', '\\"')
        found["run"] = f"{base}/runs/{quote(run, safe='')}"
        sought = f'workflow_id:"{escaped}"'
    else:
        sought = str(getattr(rule.when, "filter", None) or "") if rule else ""
    if sought:
        found["logs"] = f"{base}/logs?q={quote(sought, safe='')}"
    found["alert"] = f"{base}/alerts/{first.id}" if len(alerts) == 1 else f"{base}/alerts"
    if sign is None:
        return found
    if len(alerts) <= TOGETHER_MAX:
        ids = ",".join(alert.id for alert in alerts)
        found["silence"] = f"{base}/act/{sign(Do.SILENCE, ids)}"
        found["acknowledge"] = f"{base}/act/{sign(Do.ACKNOWLEDGE, ids)}"
    if run and event and str(event.get("event", "")).startswith(_OF_COMFYUI) and len(run) <= 200:
        found["replay"] = f"{base}/act/{sign(Do.REPLAY, run)}"
    return found
