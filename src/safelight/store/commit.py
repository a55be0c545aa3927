"""Group commit: callers that arrive while others wait for the disk share the next fsync."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from ..errors import StoreError
from . import Commit
from .frame import Packed


@dataclass(slots=True, eq=False)
class Pending:
    """A batch that waits to be durable. Ends with a `commit` or a `failure`."""

    packed: Packed
    batch: pa.RecordBatch | None
    checkpoint: Mapping[str, str | None]
    batch_id: str | None
    commit: Commit | None = None
    failure: Callable[[], StoreError] | None = None  # makes one error for each caller: they raise it in their threads


class GroupCommit:
    """Serialises writers. Whoever gets the lock first writes for everybody who has arrived by then."""

    def __init__(self, write: Callable[[list[Pending]], None]) -> None:
        self._write = write
        self._arrivals = threading.Lock()
        self._waiting: list[Pending] = []
        self._writing = threading.Lock()

    def commit(self, pending: Pending) -> Commit:
        """Return when the batch is durable; raises what the writing of its group raised."""
        with self._arrivals:
            self._waiting.append(pending)
        with self._writing:
            if pending.commit is None and pending.failure is None:
                with self._arrivals:
                    group, self._waiting = self._waiting, []
                self._write(group)
        if pending.failure is not None:
            raise pending.failure()
        if pending.commit is None:
            raise StoreError("store.closed")
        return pending.commit

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No commit is under way inside."""
        with self._writing:
            yield
