"""What the layers below the language speak: SQL with its values apart, and the span of events it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Sql:
    """SQL text and the values of its `?`. Values are never part of the text: no injection by construction."""

    text: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Which events are looked at; the store skips every segment outside it.

    `start <= timestamp < end` (UTC) and `after_seq < seq <= upto_seq`; None is open.
    """

    start: datetime | None = None
    end: datetime | None = None
    after_seq: int | None = None
    upto_seq: int | None = None


EVERYTHING = Span()
