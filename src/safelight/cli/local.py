"""The same questions with the server down: the store is opened for reading, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError
from ..paths import data_directory
from ..store.segments import SegmentStore


@contextmanager
def reading(data: Path | None) -> Iterator[SegmentStore]:
    """The store of the data directory, read-only. Raises StoreError when there is none."""
    directory = data_directory(data)
    if not directory.is_dir():
        raise StoreError("cli.no_data", path=directory)
    store = SegmentStore.open(directory, read_only=True)
    try:
        yield store
    finally:
        store.close()
