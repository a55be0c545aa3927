"""Metrics as events: one a data point, below the level that people usually look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ...event import Name
from .values import attributes, figure, merged, one_of, optional, whole

DATA: Final = ("gauge", "sum", "histogram", "exponential_histogram", "summary")


def events(metric: Any) -> Iterator[dict[str, Any] | None]:
    """One event a data point; None for a metric of a kind that is not known, or without data."""
    kind = one_of(metric, "data", DATA)
    if kind is None:
        yield None
        return
    for point in getattr(metric, kind).data_points:
        yield _event(metric, kind, point)


def _event(metric: Any, kind: str, point: Any) -> dict[str, Any]:
    value = _value(kind, point)
    shown = value.get("value", value.get("mean"))
    said = metric.name if shown is None else f"{metric.name} {_short(shown)} {metric.unit}".strip()
    own = {
        "timestamp": whole(point.time_unix_nano) or None,
        "event": str(Name.METRIC_SAMPLED),
        "level": "DEBUG",
        "message": said,
        "metric": metric.name,
        "unit": metric.unit or None,
        **value,
    }
    return merged(attributes(point.attributes), own)


def _value(kind: str, point: Any) -> dict[str, Any]:
    match kind:
        case "gauge" | "sum":
            which = one_of(point, "value", ("as_double", "as_int"))
            if which is None:  # "no recorded value"
                return {}
            return {"value": whole(point.as_int) if which == "as_int" else figure(point.as_double)}
        case "summary":
            quantiles = {f"{float(item.quantile):g}": figure(item.value) for item in point.quantile_values}
            return {**_total(whole(point.count), point.sum), "quantiles": quantiles}
    figures = _total(whole(point.count), optional(point, "sum"))
    for name in ("min", "max"):
        if (found := optional(point, name)) is not None:
            figures[name] = figure(found)
    if kind == "histogram" and len(point.explicit_bounds):
        figures["bounds"] = [figure(bound) for bound in point.explicit_bounds]
        figures["counts"] = [whole(count) for count in point.bucket_counts]
    return figures


def _total(count: int, total: float | str | None) -> dict[str, Any]:
    if total is None:
        return {"count": count}
    given = figure(total)
    mean = {"mean": given / count} if count and isinstance(given, float) else {}
    return {"count": count, "sum": given, **mean}


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
