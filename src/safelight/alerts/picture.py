"""The memory before a failure as a small PNG, drawn here: chats show a picture where they show no page.

Figures, units and series names only, in ASCII: the one font that is always there has no other letters.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from ..hostzone import HostZone

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

WIDTH: Final = 600
HEIGHT: Final = 220
_SCALE: Final = 2
"""Drawn twice as large and made smaller: lines without steps."""
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 34, 14, 26
_PAPER: Final = "#101418"
"""A dark card with its own background reads the same in a light chat and in a dark one."""
_INK: Final = "#c8d0d8"
_GRID: Final = "#2a323a"
_MARK: Final = "#ff5c5c"
_LIMIT: Final = "#ffb020"
_COLOURS: Final = ("#ff9d4d", "#5aa9ff", "#6fd08c", "#c792ea")
_SERIES_MAX: Final = len(_COLOURS)
_LABELS: Final = 5
_TICKS: Final = 4

_Point = tuple[float, float]


def png(chart: Mapping[str, Any] | None, language: str, *, zone: tzinfo | None = None) -> bytes | None:
    """A picture of 600 x 220 pixels and a few KB; None where there is nothing to draw. Times are of `zone`, the
    server's by default. `language` is that of the message; the picture itself has no words."""
    drawn = _Drawn.of(chart)
    return None if drawn is None else _painted(drawn, zone or HostZone())


class _Drawn:
    """A chart that can be drawn: at least two points with a number, finite times in order."""

    def __init__(
        self, unit: str, series: Sequence[tuple[str, list[_Point]]], mark: float | None, limit: float | None
    ) -> None:
        self.unit, self.series, self.mark, self.limit = unit, series, mark, limit
        times = [at for _, points in series for at, _ in points]
        values = [value for _, points in series for _, value in points]
        self.start = min(times)
        self.end = max([*times, *([mark] if mark is not None else [])])
        if self.end <= self.start:
            self.end = self.start + 1_000
        highest = max([*values, *([limit] if limit is not None else [])])
        self.bottom = min(0.0, *values)
        self.top = _round_up(highest - self.bottom) + self.bottom

    @classmethod
    def of(cls, chart: Mapping[str, Any] | None) -> _Drawn | None:
        if not chart:
            return None
        times = list(chart.get("at") or ())
        series = []
        for one in list(chart.get("series") or ())[:_SERIES_MAX]:
            points = [
                (float(at), float(value))
                for at, value in zip(times, one.get("values") or (), strict=False)
                if _finite(at) and _finite(value)
            ]
            if points:
                series.append((str(one.get("name", "")), points))
        if sum(len(points) for _, points in series) < 2:
            return None
        mark, limit = chart.get("mark"), chart.get("limit")
        return cls(
            str(chart.get("unit") or ""), series, mark if _finite(mark) else None, limit if _finite(limit) else None
        )

    def x(self, at: float) -> float:
        share = (at - self.start) / (self.end - self.start)
        return (_LEFT + share * (WIDTH - _LEFT - _RIGHT)) * _SCALE

    def y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return (HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)) * _SCALE


def _painted(drawn: _Drawn, zone: tzinfo) -> bytes:
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - 10 MB of memory, and few servers send pictures

    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _PAPER)
    draw = ImageDraw.Draw(image)
    small, large = ImageFont.load_default(12 * _SCALE), ImageFont.load_default(13 * _SCALE)
    _axes(draw, drawn, zone, small)
    _lines(draw, drawn, small)
    _legend(draw, drawn, large)
    shrunk = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    # A third of the size; the octree keeps colours that only a few points have, such as that of the limit.
    few = shrunk.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def _axes(draw: ImageDraw.ImageDraw, drawn: _Drawn, zone: tzinfo, font: ImageFont.FreeTypeFont | Any) -> None:
    for tick in range(_TICKS + 1):
        value = drawn.bottom + (drawn.top - drawn.bottom) * tick / _TICKS
        y = drawn.y(value)
        draw.line([(_LEFT * _SCALE, y), ((WIDTH - _RIGHT) * _SCALE, y)], fill=_GRID, width=_SCALE)
        draw.text(((_LEFT - 8) * _SCALE, y), _written(value), fill=_INK, font=font, anchor="rm")
    for at in _clock_marks(drawn.start, drawn.end):
        x = drawn.x(at)
        draw.line([(x, drawn.y(drawn.bottom)), (x, drawn.y(drawn.bottom) + 4 * _SCALE)], fill=_INK, width=_SCALE)
        moment = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
        text = f"{moment:%H:%M}" if drawn.end - drawn.start >= 240_000 else f"{moment:%H:%M:%S}"
        draw.text((x, (HEIGHT - _BOTTOM + 6) * _SCALE), text, fill=_INK, font=font, anchor="mt")


def _lines(draw: ImageDraw.ImageDraw, drawn: _Drawn, font: ImageFont.FreeTypeFont | Any) -> None:
    if drawn.limit is not None:
        y = drawn.y(drawn.limit)
        for dash in range(_LEFT * _SCALE, (WIDTH - _RIGHT) * _SCALE, 12 * _SCALE):
            draw.line([(dash, y), (dash + 7 * _SCALE, y)], fill=_LIMIT, width=2 * _SCALE)
        said = f"{_written(drawn.limit)} {_ascii(drawn.unit)}".strip()
        draw.text(((_LEFT + 4) * _SCALE, y - 3 * _SCALE), said, fill=_LIMIT, font=font, anchor="lb")
    for (_, points), colour in zip(drawn.series, _COLOURS, strict=False):
        placed = [(drawn.x(at), drawn.y(value)) for at, value in points]
        if len(placed) == 1:
            ((x, y),) = placed
            draw.ellipse([x - 3 * _SCALE, y - 3 * _SCALE, x + 3 * _SCALE, y + 3 * _SCALE], fill=colour)
        else:
            draw.line(placed, fill=colour, width=round(2.5 * _SCALE), joint="curve")
    if drawn.mark is not None and drawn.mark >= drawn.start:
        x = min(drawn.x(drawn.mark), (WIDTH - _RIGHT - 1) * _SCALE)
        draw.line([(x, _TOP * _SCALE), (x, drawn.y(drawn.bottom))], fill=_MARK, width=2 * _SCALE)
        tip = 6 * _SCALE
        draw.polygon([(x - tip, (_TOP - 7) * _SCALE), (x + tip, (_TOP - 7) * _SCALE), (x, _TOP * _SCALE)], fill=_MARK)


def _legend(draw: ImageDraw.ImageDraw, drawn: _Drawn, font: ImageFont.FreeTypeFont | Any) -> None:
    x: float = _LEFT * _SCALE
    y = 15 * _SCALE
    for (name, points), colour in zip(drawn.series, _COLOURS, strict=False):
        said = f"{_ascii(name)} {_written(points[-1][1])} {_ascii(drawn.unit)}".strip()
        draw.rectangle([x, y - 5 * _SCALE, x + 10 * _SCALE, y + 5 * _SCALE], fill=colour)
        draw.text((x + 16 * _SCALE, y), said, fill=_INK, font=font, anchor="lm")
        x += round(16 * _SCALE + draw.textlength(said, font=font) + 22 * _SCALE)


def _clock_marks(start: float, end: float) -> Iterator[float]:
    """Whole seconds, minutes or hours, a handful of them, none so near the edge that it is cut."""
    step = next(
        (step for step in _STEPS if (end - start) / step <= _LABELS), _STEPS[-1] * (1 + (end - start) // _STEPS[-1])
    )
    edge = (end - start) * 0.03
    at = -(-start // step) * step
    while at <= end:
        if start + edge <= at <= end - edge:
            yield at
        at += step


_STEPS: Final = tuple(seconds * 1000 for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200))


def _round_up(value: float) -> float:
    """So that a quarter of it is a round number too."""
    if value <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * step for step in (1, 2, 3, 4, 6, 8, 10, 20) if power * step >= value)


def _written(value: float) -> str:
    digits = 0 if abs(value) >= 100 or value == round(value) else 1 if abs(value) >= 1 else 2
    return f"{value:,.{digits}f}"


def _ascii(value: str) -> str:
    return "".join(letter for letter in value if " " <= letter <= "~")[:24]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
