"""What a server and an agent share: sources read for as long as the process runs, each through its chain of steps, and
where their batches become durable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..batch import Batch, Checkpoint, Process


class Destination(Protocol):
    """Where a batch becomes durable: the store of a server, the queues on disk of an agent."""

    async def take(
        self, batch: Batch, process: Process, checkpoint: Checkpoint | None = None, batch_id: str | None = None
    ) -> object:
        """Durable, after its steps, when this returns. Raises StoreError when it is not; then nothing of it was
        acknowledged."""
        ...

    def checkpoint(self) -> Mapping[str, str]:
        """How far the sources are durable."""
        ...
