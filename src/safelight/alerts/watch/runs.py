"""What the watches over runs have in common: the events that begin and end one, one by one."""

from __future__ import annotations

from typing import Final

from ...event import RUN_ENDED_ANYHOW, RUN_WENT_WRONG, Name
from ...query.sql import Sql
from . import Key
from .columns import key_of

OPEN_MAX: Final = 10_000
"""Runs, or executions of nodes, that one rule follows at once; beyond it the oldest is given up."""
PROCESSED: Final = (Name.IMAGE_PROCESSED, Name.PROCESSING_FAILED)
"""The runs of a service that tells of them once, when they are over."""
ENDS: Final = frozenset((*RUN_ENDED_ANYHOW, *PROCESSED))
WRONG: Final = frozenset(RUN_WENT_WRONG)
PLACE: Final = ("service", "instance", "node")
"""Behind the event and the id in a key."""
RUN: Final = Sql("CASE WHEN workflow_id IS NOT NULL THEN workflow_id ELSE coalesce(request_id, id) END")
"""What names a run; an image that was processed by itself is one, too."""


def run_key(*more: str) -> Sql:
    """A key of `event, run, service, instance, node` and what else is wanted."""
    place = key_of(("event", *PLACE, *more))
    return Sql(f"concat_ws(chr(31), coalesce({RUN.text}, chr(30)), {place.text})", place.parameters)


def place_of(key: Key) -> dict[str, str]:
    """The labels in the key of a run."""
    return {name: value for name, value in zip(PLACE, key[2:5], strict=True) if value is not None}
