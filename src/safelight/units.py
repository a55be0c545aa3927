"""Figures with their units, as people write them: `30d`, `20GB`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from .errors import QueryError
from .query.times import duration

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
_POWER: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size(text: str) -> int:
    """Bytes behind `20GB`, `512 MiB`, `1048576`. K, M, G and T are powers of 1024, as disks are filled.

    Raises ValueError for anything else.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return int(float(found[1]) * 1024 ** _POWER[found[2].upper()])


def written(length: timedelta) -> str:
    """A duration as people write it, to the millisecond: `5m`, `1h30m`."""
    rest, parts = length // timedelta(milliseconds=1), []
    for unit, units in _UNITS:
        if rest >= units:
            parts.append(f"{rest // units}{unit}")
            rest %= units
    return "".join(parts) or "0s"


def _read_duration(value: Any) -> Any:
    """A number alone is refused: nobody should lose a month of events because 30 meant seconds."""
    try:
        length = duration(value) if isinstance(value, str) else value
    except QueryError:
        length = None
    if not isinstance(length, timedelta) or length <= timedelta():
        raise PydanticCustomError("duration", "not a duration")
    return length


def _read_size(value: Any) -> Any:
    try:
        bytes_ = size(value) if isinstance(value, str) else 0
    except ValueError:
        bytes_ = 0
    if bytes_ <= 0:
        raise PydanticCustomError("size", "not a size")
    return bytes_


Duration = Annotated[
    timedelta, BeforeValidator(_read_duration), PlainSerializer(written), WithJsonSchema({"type": "string"})
]
Size = Annotated[int, BeforeValidator(_read_size)]
