"""Is it the batch, or is it the setting? A harmless event is sent, and the answer to it decides.

An address that leads to the wrong place, an index or a pipeline that is not there, a template of somebody else: each
may refuse every event, one by one or whole requests with 400, in words that only its makers know. What they have in
common is that they refuse the plainest event, too.
"""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import Final

from ..batch import Batch
from ..errors import SinkMisconfigured, SinkRefused
from ..event import OURSELVES, Name
from ..identifier import uuid7
from ..locales import text
from ..sinks import Connection
from .clock import Clock

BELIEVED_S: Final = 60.0
"""After the event was taken it is not sent again for so long: where every batch is refused for good reason, at most one
a minute arrives."""
QUESTION: Final = "check-"
"""How its id begins."""


class Question:
    """Of one sink."""

    def __init__(self, language: str, clock: Clock) -> None:
        self._language = language
        self._clock = clock
        self._taken_at = -inf

    async def taken(self, connection: Connection) -> bool:
        """Whether the other side takes an event at all. Raises SinkError when it does not say."""
        if self._clock.monotonic() - self._taken_at < BELIEVED_S:
            return True
        event = harmless(self._language, self._clock.now())
        try:
            refusals = await connection.send(event, event["id"][0].as_py())
        except (SinkRefused, SinkMisconfigured):
            return False
        if refusals:
            return False
        self._taken_at = self._clock.monotonic()
        return True


def harmless(language: str, now: datetime) -> Batch:
    """A plain event of this moment, with nothing in it that anybody could object to."""
    return Batch.of(
        [
            {
                "id": QUESTION + uuid7().replace("-", ""),  # a server takes `-7-42` at the end for a place in a queue
                "timestamp": now,
                "received_at": now,
                "level": "INFO",
                "event": Name.LOG,
                "message": text("shipping.question", language),
                "service": OURSELVES,
            }
        ]
    )
