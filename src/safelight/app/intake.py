"""The one way into the store: understood, then durable, then told."""

from __future__ import annotations

import anyio.to_thread

from ..batch import Batch, Checkpoint, Process
from ..store import Commit, Store
from .commits import Commits


class Intake:
    """Runs a batch through its steps and commits it, in a worker thread, and announces the commit."""

    def __init__(self, store: Store, commits: Commits) -> None:
        self._store = store
        self._commits = commits

    async def take(
        self, batch: Batch, process: Process, checkpoint: Checkpoint | None = None, batch_id: str | None = None
    ) -> Commit:
        """Durable when this returns. Raises StoreError when it is not; then nothing of it was acknowledged."""

        def work() -> Commit:
            return self._store.append(process(batch) if len(batch) else batch, checkpoint, batch_id)

        commit = await anyio.to_thread.run_sync(work)
        self._commits.announce(commit.last_seq)
        return commit
