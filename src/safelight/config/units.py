"""Figures with their units, as people write them: `30d`, `20GB`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from ..errors import QueryError
from ..query.times import duration

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_POWER: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size(text: str) -> int:
    """Bytes behind `20GB`, `512 MiB`, `1048576`. K, M, G and T are powers of 1024, as disks are filled.

    Raises ValueError for anything else.
    """
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return int(float(found[1]) * 1024 ** _POWER[found[2].upper()])


def _read_duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return duration(value)
    except QueryError as error:
        raise PydanticCustomError("duration", "not a duration") from error


def _read_size(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return size(value)
    except ValueError as error:
        raise PydanticCustomError("size", "not a size") from error


Duration = Annotated[timedelta, BeforeValidator(_read_duration)]
Size = Annotated[int, BeforeValidator(_read_size)]
