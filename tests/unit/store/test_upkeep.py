from __future__ import annotations

import errno
import os
import threading

import pytest

from safelight.errors import StoreError, StoreFull
from safelight.store import files, upkeep
from safelight.store.segments import SegmentStore


class Listener:
    """Hears of problems, from any thread."""

    def __init__(self) -> None:
        self.heard: list[StoreError] = []
        self.news = threading.Semaphore(0)

    def __call__(self, problem: StoreError) -> None:
        self.heard.append(problem)
        self.news.release()


class Sealing:
    """Fails with `error` as long as there is one; counts."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.really = upkeep.seal
        self.tried = threading.Semaphore(0)
        self.done = threading.Semaphore(0)

    def __call__(self, *arguments):
        self.tried.release()
        if self.error is not None:
            raise self.error
        segment = self.really(*arguments)
        self.done.release()
        return segment


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(upkeep, "RETRY_S", 0.01)


@pytest.fixture
def working(tmp_path, early, hasty, monkeypatch):
    """A store with its background thread, whose sealing fails."""
    sealing = Sealing(OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(upkeep, "seal", sealing)
    listener = Listener()
    with SegmentStore.open(tmp_path / "data", on_problem=listener) as store:
        yield store, sealing, listener


def test_the_first_failure_of_a_row_is_reported_and_no_other(working, events):
    store, sealing, listener = working
    store.append(events(0, 20))
    for _ in range(4):
        assert sealing.tried.acquire(timeout=60)
    assert [type(problem) for problem in listener.heard] == [StoreFull]
    assert listener.heard[0].key == "store.upkeep_full"
    assert [problem.key for problem in store.problems] == ["store.upkeep_full"]


def test_what_works_again_is_no_problem_any_more_and_its_next_failure_is_news(working, events):
    store, sealing, listener = working
    store.append(events(0, 20))
    assert listener.news.acquire(timeout=60)
    sealing.error = None
    assert sealing.done.acquire(timeout=60)
    while store.problems:
        pass
    sealing.error = OSError(errno.EIO, "Input/output error")
    store.append(events(20, 20))
    assert listener.news.acquire(timeout=60)
    assert [problem.key for problem in listener.heard] == ["store.upkeep_full", "store.upkeep_failed"]
    assert "Input/output error" in str(store.problems[0])


def test_no_failure_ends_the_thread(working, events):
    store, sealing, listener = working
    sealing.error = RuntimeError("a mistake of ours")
    store.append(events(0, 20))
    assert listener.news.acquire(timeout=60)
    assert "a mistake of ours" in str(listener.heard[0])
    sealing.error = None
    assert sealing.done.acquire(timeout=60)


def test_a_listener_that_fails_does_not_end_the_thread(tmp_path, early, hasty, events, monkeypatch):
    sealing = Sealing(OSError(errno.EIO, "Input/output error"))
    monkeypatch.setattr(upkeep, "seal", sealing)

    def fail(problem: StoreError) -> None:
        raise RuntimeError("deaf")

    with SegmentStore.open(tmp_path / "data", on_problem=fail) as store:
        store.append(events(0, 20))
        assert sealing.tried.acquire(timeout=60)
        sealing.error = None
        assert sealing.done.acquire(timeout=60)


def test_attempts_come_less_and_less_often():
    pauses = [upkeep.pause_s(failures) for failures in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[0] == upkeep.RETRY_S
    assert pauses[-1] == upkeep.PERIOD_S
    assert upkeep.pause_s(5_000) == upkeep.PERIOD_S


@pytest.mark.parametrize(
    ("code", "kind", "key"),
    [(errno.EACCES, StoreError, "store.upkeep_failed"), (errno.ENOSPC, StoreFull, "store.upkeep_full")],
)
def test_retention_that_the_disk_refuses_is_an_error_of_the_store(opened, events, all_ids, code, kind, key):
    store = opened()
    for first in (0, 10):
        store.append(events(first, 10))
        store.seal()

    def fail(path: object) -> None:
        raise OSError(code, os.strerror(code))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "remove", fail)
        with pytest.raises(StoreError) as refused:
            store.retain(None, 0)
    assert type(refused.value) is kind
    assert refused.value.key == key
    assert len(all_ids(store)) == 20  # what could not be deleted is still there, and is deleted the next time
    assert store.retain(None, 0).segments == 2


@pytest.mark.parametrize("do", ["seal", "maintain"])
def test_sealing_by_hand_that_the_disk_refuses_is_an_error_of_the_store(opened, events, early, monkeypatch, do):
    store = opened()
    store.append(events(0, 20))
    monkeypatch.setattr(upkeep, "seal", Sealing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(StoreFull):
        getattr(store, do)()
