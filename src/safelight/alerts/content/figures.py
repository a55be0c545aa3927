"""Figures as people read them: `2,310 ms`, `41 s`, `3.5 GB`, `23 %`, `91 °C`. The unit is that of the field's name."""

from __future__ import annotations

from typing import Final

from ...locales import catalogue

_UNITS: Final = {"_percent": "%", "_c": "°C", "_w": "W", "_mhz": "MHz", "_kb": "kB", "_ms": "ms", "_mb": "GB"}


def figure(field: str, value: float) -> str:
    """A value of this field with its unit."""
    if field.endswith("_ms"):
        return span(value)
    if field.endswith("_mb"):
        return size(value)
    return f"{_plain(value)} {unit_of(field)}".strip()


def unit_of(field: str) -> str:
    """The unit that the name of a field carries; sizes are shown in GB. Empty for one that carries none."""
    return next((unit for ending, unit in _UNITS.items() if field.endswith(ending)), "")


def span(ms: float) -> str:
    """Milliseconds up to 10 s; beyond, what a clock would show."""
    if ms < 10_000:
        return f"{ms:,.0f} ms"
    if ms < 120_000:
        return f"{ms / 1000:.0f} s"
    if ms < 7_200_000:
        return f"{ms / 60_000:.0f} min"
    return f"{ms / 3_600_000:.1f} h"


def size(mb: float) -> str:
    """MB of 2^20 bytes, from 10,000 of them on in GB."""
    return f"{mb:,.0f} MB" if abs(mb) < 10_000 else f"{mb / 1024:,.1f} GB"


def percent(value: float) -> str:
    """A share, in percent."""
    return f"{value:.0f} %" if value >= 10 or value == round(value) else f"{value:.1f} %"


def named(field: str, language: str) -> str:
    """What people call the field, where the catalogue knows; else its name."""
    return catalogue(language).get(f"alerts.field.{field}", field)


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.1f}"
