"""The memory of a run over time, with as many points as a page can draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from .reading import number

MOST_POINTS: Final = 2_000
SERIES: Final = ("vram_mb", "torch_mb", "ram_mb")


def curve(readings: Iterable[Mapping[str, Any]], start: datetime) -> dict[str, Any]:
    """The readings of a run, attributes of `resources_sampled`, as offsets in milliseconds from its start and a list
    for each series, null where nobody read it.

    At most MOST_POINTS points: of each stretch the least and the greatest of every series stay, so no peak is lost.
    """
    points: dict[float, tuple[float | None, ...]] = {}
    total: float | None = None
    origin = start.timestamp() * 1000
    for reading in readings:
        told = reading.get("curve")
        said: Mapping[str, Any] = told if isinstance(told, dict) else {}
        total = number(said.get("vram_total_mb")) or total
        times = said.get("at")
        columns = [_list(said.get(name)) for name in SERIES]
        for place, at in enumerate(_list(times)):
            if (when := number(at)) is not None:
                values = (column[place] if place < len(column) else None for column in columns)
                points[round(when - origin, 1)] = tuple(number(value) for value in values)
    offsets = sorted(points)
    series = [[points[offset][place] for offset in offsets] for place in range(len(SERIES))]
    kept = _kept(len(offsets), series)
    return {
        "offset_ms": [offsets[place] for place in kept],
        **{name: _chosen(values, kept) for name, values in zip(SERIES, series, strict=True)},
        "vram_total_mb": total,
    }


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _chosen(values: Sequence[float | None], kept: Sequence[int]) -> list[float | None] | None:
    if all(value is None for value in values):
        return None
    return [values[place] for place in kept]


def _kept(count: int, series: Sequence[Sequence[float | None]]) -> Sequence[int]:
    """Which points stay."""
    if count <= MOST_POINTS:
        return range(count)
    stretches = (MOST_POINTS - 2) // (2 * len(series))
    kept = {0, count - 1}
    for stretch in range(stretches):
        places = range(stretch * count // stretches, (stretch + 1) * count // stretches)
        for values in series:
            known = [place for place in places if values[place] is not None]
            if known:
                kept.add(min(known, key=lambda place: values[place] or 0.0))
                kept.add(max(known, key=lambda place: values[place] or 0.0))
    return sorted(kept)
