"""Measure the GPUs of this machine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import anyio
import anyio.to_thread
import msgspec

from ..errors import InputError
from ..hardware.apple import Apple
from ..hardware.card import Absent, Card, Provider, Sample
from ..hardware.drm import Drm
from ..hardware.nvidia import Nvidia
from ..hardware.recorded import Recorded
from . import Arrival, Report, Source
from .sampled import Beat, Every, arrival, sampled

LOOK_AGAIN: Final = timedelta(minutes=1)
"""Without a card: a driver may be installed, or loaded, while the server runs."""


class Gpu(Source):
    """Memory, load, temperature, power, clock and processes of every GPU, read from its driver. Takes no memory on the
    card; a machine without one is no error."""

    type: Literal["gpu"] = "gpu"
    every: Every = timedelta(seconds=10)
    """How often to measure, from 1s to 1h."""
    vendor: Literal["auto", "nvidia", "amd", "intel", "apple"] = "auto"
    """Whose cards; `auto` takes every kind that is found."""
    recorded: Path | None = None
    """A file of readings, a JSON object a line, to play instead of measuring."""

    example: ClassVar[dict[str, Any]] = {"every": "5s", "vendor": "nvidia"}

    @property
    def name(self) -> str:
        """What is measured."""
        return f"gpu:{self.recorded or self.vendor}"

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """A line a card, every so often."""
        cards, beat = Cards(self._providers()), Beat(self.every)
        broken: Mapping[str, str] = {}
        try:
            while True:
                try:
                    sample = await anyio.to_thread.run_sync(cards.read)
                except (Absent, InputError) as error:
                    self._nothing(error, report)
                    await beat.rest(LOOK_AGAIN)
                    continue
                self._told(sample, broken, report)
                broken = sample.broken
                if sample.cards:
                    yield arrival(self, [_event(card) for card in sample.cards])
                await beat.rest()
        finally:
            cards.close()

    def _nothing(self, error: Absent | InputError, report: Report) -> None:
        if isinstance(error, InputError):
            report.trouble(self.name, error)
        else:
            report.recovered(self.name)
            report.waiting(InputError("gpu.none", reason=error))

    def _told(self, sample: Sample, before: Mapping[str, str], report: Report) -> None:
        report.recovered(self.name)
        report.reading(len(sample.cards))
        for label in before.keys() - sample.broken.keys():
            report.recovered(label)
        for label, reason in sample.broken.items():
            report.trouble(label, InputError("gpu.silent", gpu=label, reason=reason))

    def _providers(self) -> list[Provider]:
        if self.recorded is not None:
            return [Recorded(self.recorded.expanduser())]
        known: dict[str, Provider] = {
            "nvidia": Nvidia(),
            "amd": Drm("amd"),
            "intel": Drm("intel"),
            "apple": Apple(),
        }
        return list(known.values()) if self.vendor == "auto" else [known[self.vendor]]


class Cards:
    """The cards of several makers under one numbering."""

    def __init__(self, providers: list[Provider]) -> None:
        self._providers = providers

    def read(self) -> Sample:
        """Now. Raises Absent, with every maker's reason, when none has a card here; InputError."""
        cards: list[Card] = []
        broken: dict[str, str] = {}
        reasons = []
        for provider in self._providers:
            try:
                sample = provider.read()
            except Absent as absent:
                reasons.append(str(absent))
                continue
            start = len(cards)
            cards += [msgspec.structs.replace(card, index=card.index + start) for card in sample.cards]
            broken |= sample.broken
        if not cards and not broken:
            raise Absent("; ".join(reasons))
        return Sample(tuple(cards), broken)

    def close(self) -> None:
        """Let every driver go."""
        for provider in self._providers:
            provider.close()


def _event(card: Card) -> dict[str, Any]:
    return sampled(message=str(card), vram_used_mb=card.vram_used_mb, gpu=msgspec.to_builtins(card))
