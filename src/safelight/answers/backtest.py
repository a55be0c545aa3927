"""A rule tried on what was stored, as the page draws it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from ..alerts.alert import Alert
from ..alerts.backtest import backtest
from ..alerts.content import title
from ..alerts.notification import FIRING
from ..alerts.quiet import Quiet
from ..alerts.rule import Rule
from ..alerts.series import Series, series
from ..hostzone import HostZone
from ..query.times import instant
from ..rows import iso
from ..store import Store

BARS: Final = 120
"""Of the histogram and the chart."""
EVENTS_MAX: Final = 3


def rule_tried(
    store: Store,
    rule: Rule,
    start: str,
    end: str,
    *,
    language: str,
    quiet: Quiet | None = None,
    zone: tzinfo | None = None,
    unwanted: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """When the rule would have fired between two times, written as ISO times or `now-7d`, with examples, how many
    messages that would have been, and what was measured.

    Raises what `alerts.backtest` raises, QueryError for times that cannot be read.
    """
    began = time.perf_counter()
    now = datetime.now(zone or HostZone())
    first, last = instant(start, now), min(instant(end, now), now)
    tried = backtest(store, rule, first, last, quiet=quiet, unwanted=unwanted)
    width = (last - first) / BARS
    borders = [first + number * width for number in range(BARS + 1)]
    fired, told = _counted(tried.fired_at, borders), _counted(tried.told_at, borders)
    return {
        "firings": [_firing(alert, rule, language) for alert in tried.firings],
        "total": len(tried.fired_at),
        "messages": len(tried.told_at),
        "histogram": [
            {"at": iso(at), "firings": firings, "messages": messages}
            for at, firings, messages in zip(borders, fired, told, strict=False)
        ],
        "matched": tried.matched,
        "chart": _chart(series(store, rule.when, borders[1:], now)),
        "from": iso(first),
        "to": iso(last),
        "took_ms": round((time.perf_counter() - began) * 1000, 1),
    }


def _counted(times: Sequence[datetime], borders: Sequence[datetime]) -> list[int]:
    """How many lie in each bar; what lies on the last border in the last one."""
    places = [bisect_left(times, border) for border in borders[:-1]]
    return [after - before for before, after in zip(places, [*places[1:], len(times)], strict=True)]


def _firing(alert: Alert, rule: Rule, language: str) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "started_at": iso(alert.fired_at or alert.started_at),
        "ended_at": iso(alert.ended_at) if alert.ended_at else None,
        "count": alert.count,
        "severity": alert.severity,
        "value": alert.value,
        "title": title([alert], FIRING, rule, language),
        "events": list(alert.events)[:EVENTS_MAX],
    }


def _chart(found: Series | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "at": [iso(at) for at in found.at],
        "value": list(found.values),
        "threshold": found.threshold,
        "unit": found.unit,
    }
