"""Times of day and zones, as the file writes them: `"08:00"`, `"Asia/Shanghai"`."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)


def _read_time(value: Any) -> Any:
    """Hours and minutes. A number is refused: TOML's own `08:00:00` is one value, but 20:00 is 1200 elsewhere."""
    if isinstance(value, time):
        return value
    found = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise PydanticCustomError("time_of_day", "not a time of day")
    return time(int(found[1]), int(found[2]))


def _read_zone(value: Any) -> Any:
    """Names of files and folders of the zone database that are no zones are refused as well."""
    if isinstance(value, ZoneInfo):
        return value
    try:
        if isinstance(value, str) and value:
            return ZoneInfo(value)
    except (LookupError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        pass
    raise PydanticCustomError("zone", "not a zone")


TimeOfDay = Annotated[
    time,
    BeforeValidator(_read_time),
    PlainSerializer(lambda at: at.isoformat("minutes")),
    WithJsonSchema({"type": "string"}),
]
Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_read_zone, json_schema_input_type=str),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]
