"""The memory, or another figure, over the minutes before an alert, as what a picture shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from .figures import unit_of

POINTS_MAX: Final = 200
SHOWN: Final = timedelta(minutes=10)
_GB: Final = 1024.0
Row = Mapping[str, Any]
_NAMES: Final = ("VRAM", "RAM")
_Point = tuple[float | None, float | None]


def chart(readings: Sequence[Row], run: str, mark: datetime) -> dict[str, Any] | None:
    """`{"title", "unit", "at": [ms since 1970], "series": [{"name", "values"}], "mark", "limit"}` with at most 200
    points, of each stretch the highest; None for fewer than two readings.

    `readings`: `resources_sampled` with their attributes, oldest first; those of the run are taken where there are
    some, else those of the card and the host. `limit` is the size of the card.
    """
    own = [row for row in readings if run and row["workflow_id"] == run]
    points, limit = _of_run(own) if own else _of_host(readings)
    end = mark.timestamp() * 1000
    start = end - SHOWN.total_seconds() * 1000
    kept = {at: point for at, point in points.items() if start <= at <= end + 1_000}
    if len(kept) < 2:
        return None
    return _drawn(kept, _NAMES, "GB", mark, limit)


def gauge(readings: Sequence[Row], field: str, card: str | None, limit: float, mark: datetime) -> dict[str, Any] | None:
    """The same for any figure that is read again and again, such as `gpu.temperature_c`, with the limit of the rule.
    `card`: which one, where a host has several."""
    size = field.endswith("_mb")
    points: dict[float, _Point] = {}
    for row in readings:
        gpu = row["attributes"].get("gpu")
        if card is not None and isinstance(gpu, Mapping) and str(gpu.get("index")) != card:
            continue
        value = _found(row, field)
        if _number(value) and row["timestamp"] <= mark + timedelta(seconds=1):
            points[row["timestamp"].timestamp() * 1000] = (_gb(value) if size else float(value), None)
    if len(points) < 2:
        return None
    return _drawn(points, (field.rpartition(".")[2],), unit_of(field), mark, _gb(limit) if size else limit)


def _drawn(
    points: Mapping[float, _Point], names: Sequence[str], unit: str, mark: datetime, limit: float | None
) -> dict[str, Any] | None:
    times = _thinned(points)
    series = [
        {"name": name, "values": [point[place] for _, point in times]}
        for place, name in enumerate(names)
        if any(point[place] is not None for _, point in times)
    ]
    if not series:
        return None
    return {
        "title": " / ".join(str(one["name"]) for one in series),
        "unit": unit,
        "at": [round(at) for at, _ in times],
        "series": series,
        "mark": round(mark.timestamp() * 1000),
        "limit": limit,
    }


def _found(row: Row, field: str) -> Any:
    """A column, or an attribute by its path."""
    value: Any = row.get(field) if field in row else row["attributes"]
    if field not in row:
        for part in field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _of_run(rows: Sequence[Row]) -> tuple[dict[float, _Point], float | None]:
    points: dict[float, _Point] = {}
    total: float | None = None
    for row in rows:
        curve = row["attributes"].get("curve")
        if not isinstance(curve, Mapping):
            continue
        total = _gb(curve.get("vram_total_mb")) or total
        vram, ram = _listed(curve.get("vram_mb")), _listed(curve.get("ram_mb"))
        for place, at in enumerate(_listed(curve.get("at"))):
            if _number(at):
                points[float(at)] = (_at(vram, place), _at(ram, place))
    return points, total


def _of_host(rows: Sequence[Row]) -> tuple[dict[float, _Point], float | None]:
    """Of several cards the first that was told of. The host's reading and the card's come apart."""
    points: dict[float, _Point] = {}
    total: float | None = None
    card: Any = None
    for row in rows:
        at, gpu = row["timestamp"].timestamp() * 1000, row["attributes"].get("gpu")
        if isinstance(gpu, Mapping):
            card = gpu.get("index") if card is None else card
            if gpu.get("index") == card:
                total = _gb(gpu.get("vram_total_mb")) or total
                points[at] = (_gb(row["vram_used_mb"]), None)
        elif "host_load" in row["attributes"]:
            points[at] = (points.get(at, (None, None))[0], _gb(row["ram_used_mb"]))
    return points, total


def _thinned(points: Mapping[float, _Point]) -> list[tuple[float, _Point]]:
    times = sorted(points)
    if len(times) <= POINTS_MAX:
        return [(at, points[at]) for at in times]
    return list(_stretches(points, times))


def _stretches(points: Mapping[float, _Point], times: Sequence[float]) -> Iterator[tuple[float, _Point]]:
    for stretch in range(POINTS_MAX):
        own = times[stretch * len(times) // POINTS_MAX : (stretch + 1) * len(times) // POINTS_MAX]
        yield own[-1], (_highest(points[at][0] for at in own), _highest(points[at][1] for at in own))


def _highest(values: Iterator[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _at(values: Sequence[Any], place: int) -> float | None:
    return _gb(values[place]) if place < len(values) else None


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _gb(value: Any) -> float | None:
    return round(value / _GB, 2) if _number(value) else None


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
