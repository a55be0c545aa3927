"""What sources that measure share: how often, and one JSON line a reading."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import anyio
import msgspec
from pydantic import AfterValidator

from ..batch import Batch
from ..event import OURSELVES, Name
from ..identifier import uuid7
from ..processors import WrongSetting
from ..units import Duration, written
from . import Arrival, Source

SHORTEST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(hours=1)


def _within(every: timedelta) -> timedelta:
    if not SHORTEST <= every <= LONGEST:
        raise WrongSetting("sources.every", given=written(every))
    return every


Every = Annotated[Duration, AfterValidator(_within)]
"""How often to measure: a second to an hour."""


class Beat:
    """A steady pace. What took too long is left out, not made up for."""

    def __init__(self, every: timedelta) -> None:
        self._period_s = every.total_seconds()
        self._due = anyio.current_time()

    async def rest(self, at_least: timedelta = timedelta()) -> None:
        """Until the next reading is due."""
        self._due = max(self._due + max(self._period_s, at_least.total_seconds()), anyio.current_time())
        await anyio.sleep_until(self._due)


def sampled(**fields: Any) -> dict[str, Any]:
    """A reading as an event, below the level that people usually look at."""
    return {"event": Name.RESOURCES_SAMPLED, "level": "DEBUG", **fields}


def arrival(source: Source, events: Sequence[Mapping[str, Any]]) -> Arrival:
    """The events as lines of now, from this host. There is no position to keep: a reading is not read twice."""
    now = datetime.now(UTC)
    constant = {"timestamp": now, "service": source.service or OURSELVES, "host": socket.gethostname()}
    lines = [msgspec.json.encode({**constant, **event}).decode() for event in events]
    columns = {
        "id": [uuid7() for _ in lines],
        "raw": lines,
        "received_at": now,
        "source": source.name,
        "instance": source.instance,
        "tag": source.tag,
    }
    return Arrival(Batch.from_columns(len(lines), columns), {})
