"""Events by the handful, a store that moves on early, and a disk that dies at any step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safelight.batch import Batch
from safelight.query.sql import EVERYTHING, Span, Sql
from safelight.store import files, hot
from safelight.store.segments import SegmentStore

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


class Crash(BaseException):
    """The machine is off."""


class Disk:
    """Dies at the `at`-th thing that would change it, and stays dead: what cleans up after an error changes nothing.
    A write that dies leaves half of its bytes."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.dead = False

    def step(self) -> None:
        self.left -= 1
        if self.dead or self.left <= 0:
            self.dead = True
            raise Crash

    def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.step()
            return function(*arguments, **options)

        return call

    def guard_write(self, function: Callable[..., int]) -> Callable[..., int]:
        def write(descriptor: int, data: Any) -> int:
            if descriptor <= 2:
                return function(descriptor, data)
            was_dead = self.dead
            try:
                self.step()
            except Crash:
                if not was_dead:
                    function(descriptor, bytes(data)[: len(data) // 2])
                raise
            return function(descriptor, data)

        return write


@contextmanager
def dying_disk_at(step: int) -> Iterator[Disk]:
    disk = Disk(step)
    with pytest.MonkeyPatch.context() as patch, suppress(Crash):
        patch.setattr(os, "write", disk.guard_write(os.write))
        for name in ("fsync", "ftruncate", "replace", "unlink", "rename"):
            patch.setattr(os, name, disk.guard(getattr(os, name)))
        patch.setattr(files, "sync_data", disk.guard(files.sync_data))
        yield disk


@pytest.fixture
def dying_disk() -> Callable[[int], AbstractContextManager[Disk]]:
    return dying_disk_at
