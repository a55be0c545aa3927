"""One GPU at one moment. Memory in MB (2^20 bytes), power in watts; None is what the driver does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import msgspec

MB: Final = 2**20


class Holder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A process with memory on the card. Inside a container the driver gives the host's pids: no name, no user."""

    pid: int
    name: str | None = None
    vram_mb: float | None = None
    user: str | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a card. `others_mb` is held by nobody whom the driver names."""

    index: int
    uuid: str | None = None
    name: str | None = None
    vendor: str | None = None
    driver: str | None = None
    vram_total_mb: float | None = None
    vram_used_mb: float | None = None
    utilization_percent: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    clock_mhz: float | None = None
    throttled: tuple[str, ...] = ()
    processes: tuple[Holder, ...] = ()
    others_mb: float | None = None

    @property
    def label(self) -> str:
        """As people tell cards apart."""
        return f"GPU {self.index}" + (f" ({self.name})" if self.name else "")

    def __str__(self) -> str:
        """In a line: what is in use, how busy and how hot it is, and whether it is slowed down."""
        figures = (
            (self.vram_used_mb, f"{self.vram_used_mb or 0:,.0f} of {self.vram_total_mb or 0:,.0f} MB"),
            (self.utilization_percent, f"{self.utilization_percent or 0:.0f} %"),
            (self.temperature_c, f"{self.temperature_c or 0:.0f} °C"),
            (self.clock_mhz, f"{self.clock_mhz or 0:.0f} MHz"),
        )
        told = ", ".join(said for figure, said in figures if figure is not None)
        slowed = f", throttled: {', '.join(self.throttled)}" if self.throttled else ""
        return f"{self.label}: {told or 'no figures'}{slowed}"


class Sample(NamedTuple):
    """Every card at one moment; of those that do not answer, the reason by their label."""

    cards: tuple[Card, ...] = ()
    broken: Mapping[str, str] = MappingProxyType({})


class Absent(Exception):
    """There is no such card here, or no driver: the usual case on most machines. In the driver's own words."""

    def __init__(self, *said: object) -> None:
        super().__init__(": ".join(map(str, said)))


class Provider(Protocol):
    """Reads the cards of one maker."""

    def read(self) -> Sample:
        """Now. Raises Absent when there are none."""
        ...

    def close(self) -> None:
        """Let the driver go."""
        ...


def unnamed_mb(used_mb: float | None, holders: tuple[Holder, ...]) -> float | None:
    """What of the memory in use no named process holds; None when the driver does not say who holds how much."""
    known = [holder.vram_mb for holder in holders if holder.vram_mb is not None]
    if used_mb is None or len(known) < len(holders):
        return None
    return round(max(0.0, used_mb - sum(known)), 1)
