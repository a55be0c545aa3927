"""Readings from a file, played again and again: for tests, for a try-out without a card.

One JSON object a line: a card's fields (`index` at least), or an event that carries them in `attributes.gpu`, as
`safelight query 'event:resources_sampled' --format ndjson` writes it. An index that comes again begins the next sample.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..errors import InputError
from .card import Absent, Card, Sample


class Recorded:
    """The samples of a file, in their order, from the start again after the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._samples: list[Sample] = []
        self._next = 0

    def read(self) -> Sample:
        """The next sample. Raises InputError for a file that cannot be read, Absent for one without readings."""
        if not self._samples:
            self._samples = samples(self._path)
        if not self._samples:
            raise Absent(str(self._path), "empty")
        sample = self._samples[self._next % len(self._samples)]
        self._next += 1
        return sample

    def close(self) -> None:
        """Nothing is held."""


def samples(path: Path) -> list[Sample]:
    """Every sample of the file. Raises InputError with the line that is no reading."""
    found: list[dict[int, Card]] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError("tail.unreadable", path=path, reason=error.strerror or str(error)) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            card = msgspec.convert(_reading(msgspec.json.decode(line)), Card)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise InputError("gpu.not_a_reading", path=path, line=number, reason=error) from error
        if not found or card.index in found[-1]:
            found.append({})
        found[-1][card.index] = card
    return [Sample(tuple(cards.values())) for cards in found]


def _reading(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("attributes"), dict):
        value = value["attributes"]
    return value["gpu"] if isinstance(value, dict) and "gpu" in value else value
