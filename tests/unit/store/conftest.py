"""Events by the handful, a store that moves on early, and a disk that dies at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.batch import Batch
from safelight.query.sql import EVERYTHING, Span, Sql
from safelight.store import hot
from safelight.store.segments import SegmentStore
from support.dying import Disk, dying_disk_at

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
ALL = Sql("TRUE")


def made(first: int, count: int = 1, **columns: Any) -> Batch:
    """Events numbered from `first`, a second apart, in the shape of any batch."""
    return Batch.of(
        {
            "id": f"e{index}",
            "timestamp": T0 + timedelta(seconds=index),
            "received_at": T0 + timedelta(seconds=index, milliseconds=5),
            "level": "ERROR" if index % 10 == 0 else "INFO",
            "event": "log",
            "message": f"第 {index} 步 finished",
            "service": "comfyui",
            "workflow_id": f"wf-{index // 7}",
            "node": "KSampler",
            "duration_ms": float(index),
            "attributes": f'{{"steps":{index}}}',
        }
        | columns
        for index in range(first, first + count)
    )


def ids(store: SegmentStore, where: Sql = ALL, span: Span = EVERYTHING, limit: int = 100_000) -> list[str]:
    """What the store holds, in the order it was committed."""
    return store.oldest(where, span, limit=limit)["id"].to_pylist()


@pytest.fixture
def events() -> Callable[..., Batch]:
    return made


@pytest.fixture
def all_ids() -> Callable[..., list[str]]:
    return ids


@pytest.fixture
def t0() -> datetime:
    return T0


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No background thread: the test itself says when to seal and merge."""
    monkeypatch.setattr("safelight.store.upkeep.Upkeep.start", lambda self: None)
    monkeypatch.setattr("safelight.store.upkeep.Upkeep.wake", lambda self: None)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hot file is full with 20 events."""
    monkeypatch.setattr(hot, "MAX_EVENTS", 20)


@pytest.fixture
def opened(tmp_path: Path, still: None) -> Iterator[Callable[..., SegmentStore]]:
    """Opens the store of this test, again and again; closes it in the end."""
    stores: list[SegmentStore] = []

    def open_again(**options: Any) -> SegmentStore:
        for store in stores:
            store.close()
        stores.append(SegmentStore.open(tmp_path / "data", **options))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def dying_disk() -> Callable[[int], AbstractContextManager[Disk]]:
    return dying_disk_at
