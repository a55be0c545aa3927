"""A batch on its way into Elasticsearch: in requests of a bounded size, judged item by item.

A busy cluster refuses some items of a request (429) and takes the others. Those are sent again from here, a few times;
then the whole batch is the shipper's to try later, which changes nothing about what is there already (stable ids). What
an event itself is to blame for is refused alone. A request that is refused as a whole is halved until it is known which
event it was.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

import anyio
import anyio.to_thread

from ...batch import Batch
from ...errors import SinkError, SinkMisconfigured
from .. import Refusal
from .bulk import parts, verdict
from .cluster import Cluster

if TYPE_CHECKING:
    from . import Elasticsearch

HALVED: Final = frozenset({200, 400, 413})
"""Bad or too large as a whole. 200 without a word is how VictoriaLogs says that it could not read an event, when it has
kept those before it (`-insert.maxLineSizeBytes`: 256 KB)."""
MOST_HALVINGS: Final = 200
"""Of one batch: enough for 15 bad events among 5,000. Beyond that the fault is not that of some events."""


class Writer:
    """A connection."""

    pauses_s: ClassVar[Sequence[float]] = (0.5, 1.0, 2.0)
    """Before items are sent again that were refused for now; each a little shorter or longer by chance."""

    def __init__(self, sink: Elasticsearch, cluster: Cluster) -> None:
        self._sink = sink
        self._cluster = cluster

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """Hand over a batch; what makes a repeat harmless is the id of each event, not `batch_id`."""
        lines = await anyio.to_thread.run_sync(self._lines, batch)
        delivery = _Delivery(self._cluster, lines)
        for part in parts(lines, range(len(lines)), self._sink.most_bytes):
            await delivery.deliver(part)
            for pause_s in self.pauses_s:
                if delivery.later.keys() == delivery.by_hand:  # nothing is left that a pause would help
                    break
                await anyio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret
                await delivery.again()
            if delivery.later:
                whole = not delivery.taken and delivery.later.keys() == delivery.by_hand
                raise (SinkMisconfigured if whole else SinkError)(
                    "sinks.elasticsearch.not_taken",
                    count=len(delivery.later),
                    reason=next(iter(delivery.later.values())),
                )
        return [Refusal(row, reason) for row, reason in sorted(delivery.refused.items())]

    def _lines(self, batch: Batch) -> list[bytes]:
        actions, documents = self._sink.indices.actions(batch), self._sink.shape.documents(batch)
        return [b"%b\n%b\n" % pair for pair in zip(actions, documents, strict=True)]


class _Delivery:
    """What became of the rows of one batch so far."""

    def __init__(self, cluster: Cluster, lines: Sequence[bytes]) -> None:
        self.refused: dict[int, str] = {}
        self.later: dict[int, str] = {}
        self.by_hand: set[int] = set()
        self.taken = 0
        self._cluster = cluster
        self._lines = lines
        self._halvings = 0

    async def again(self) -> None:
        """The rows that were refused for now, once more."""
        rows, self.later, self.by_hand = list(self.later), {}, set()
        await self.deliver(rows)

    async def deliver(self, rows: list[int]) -> None:
        """One request, or two halves of it where it is too large or holds what cannot be read."""
        reply = await self._cluster.bulk(b"".join(self._lines[row] for row in rows))
        if reply.status == 200 and reply.body:
            found = verdict(reply.body, len(rows))
            self.refused |= {rows[position]: why for position, why in found.refused.items()}
            self.later |= {rows[position]: why for position, why in found.later.items()}
            self.by_hand |= {rows[position] for position in found.by_hand}
            self.taken += len(rows) - len(found.refused) - len(found.later)
            return
        objection = self._cluster.objection(reply) if reply.status != 200 else SinkError("sinks.elasticsearch.unread")
        if reply.status not in HALVED or self._halvings >= MOST_HALVINGS:
            raise objection
        if len(rows) == 1:
            self.refused[rows[0]] = objection.render()
            return
        self._halvings += 1
        middle = len(rows) // 2
        await self.deliver(rows[:middle])
        await self.deliver(rows[middle:])
