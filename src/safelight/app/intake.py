"""The one way into the store: understood, then durable, then told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import anyio
import anyio.to_thread

from ..batch import Batch, Checkpoint, Process
from ..errors import StoreError
from ..meter import Meter
from ..store import Commit, Store
from .commits import Commits

THREADS: Final = 4
"""Of its own: however many questions wait for an answer, what arrives is taken."""


class Intake:
    """Runs a batch through its steps and commits it, in a worker thread, and announces the commit."""

    def __init__(self, store: Store, commits: Commits) -> None:
        self._store = store
        self._commits = commits
        self._limiter = anyio.CapacityLimiter(THREADS)
        self.events = Meter()
        self.refused: str | None = None
        """Why the store did not take the last batch; None when it did."""

    @property
    def last_seq(self) -> int:
        """The number of the last event that is known to be durable."""
        return self._commits.last_seq

    async def take(
        self, batch: Batch, process: Process, checkpoint: Checkpoint | None = None, batch_id: str | None = None
    ) -> Commit:
        """Durable when this returns. Raises StoreError when it is not; then nothing of it was acknowledged."""

        def work() -> Commit:
            return self._store.append(process(batch) if len(batch) else batch, checkpoint, batch_id)

        try:
            commit = await anyio.to_thread.run_sync(work, limiter=self._limiter)
        except StoreError as error:
            self.refused = str(error)
            raise
        self.refused = None
        self._commits.announce(commit.last_seq)
        self.events.add(commit.last_seq - commit.first_seq + 1)
        return commit

    def checkpoint(self, prefix: str = "") -> Mapping[str, str]:
        """How far the sources whose keys begin so are durable."""
        return self._store.checkpoint(prefix)
