from __future__ import annotations

import errno
import os
import threading

import pytest

from safelight import disk
from safelight.batch import Batch
from safelight.errors import StoreError, StoreFull
from safelight.query.sql import Sql
from safelight.store import hot


def test_numbers_follow_the_order_of_commits(opened, events, all_ids):
    store = opened()
    first = store.append(events(0, 3))
    second = store.append(events(3, 2))
    assert (first.first_seq, first.last_seq) == (1, 3)
    assert (second.first_seq, second.last_seq) == (4, 5)
    assert all_ids(store) == ["e0", "e1", "e2", "e3", "e4"]


def test_what_is_stored_comes_back_with_every_column(opened, events):
    store = opened()
    batch = events(0, 25, traceback="Traceback\n…", vram_used_mb=10897.0, raw=None)
    store.append(batch)
    hot_rows = store.oldest(Sql("TRUE"), limit=100)
    assert hot_rows.column_names == ["seq", *batch.table.column_names]
    assert hot_rows.drop_columns(["seq"]).to_pylist() == batch.table.to_pylist()
    store.seal()
    assert store.oldest(Sql("TRUE"), limit=100).to_pylist() == hot_rows.to_pylist()


def test_an_event_is_synced_before_it_is_acknowledged(opened, events, monkeypatch):
    store = opened()
    path = store.directory / "hot-000001.arrows"
    synced: list[int] = []
    monkeypatch.setattr(disk, "sync_data", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    store.append(events(0, 3))
    assert synced == [path.stat().st_size]


def test_callers_that_wait_together_share_one_sync(opened, events, monkeypatch):
    store = opened()
    entered, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []

    def slow_sync(descriptor: int) -> None:
        syncs.append(descriptor)
        entered.set()
        assert go_on.wait(60)

    monkeypatch.setattr(disk, "sync_data", slow_sync)
    commits = []
    threads = [threading.Thread(target=lambda n=n: commits.append(store.append(events(n)))) for n in range(12)]
    threads[0].start()
    assert entered.wait(60)  # the first is at the disk; the other eleven arrive meanwhile
    for thread in threads[1:]:
        thread.start()
    while len(store._writer._group._waiting) < 11:
        pass
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert len(syncs) == 2
    assert sorted(commit.first_seq for commit in commits) == list(range(1, 13))


def test_a_batch_sent_twice_is_stored_once(opened, events, all_ids):
    store = opened()
    first = store.append(events(0, 3), {"agent": "1"}, "batch-1")
    assert store.append(events(0, 3), {"agent": "1"}, "batch-1") == first
    assert all_ids(store) == ["e0", "e1", "e2"]


def test_a_batch_sent_again_after_a_restart_is_stored_once(opened, events, all_ids, early):
    store = opened()
    first = store.append(events(0, 3), None, "batch-1")
    store = opened()
    assert store.append(events(0, 3), None, "batch-1") == first
    store.append(events(3, 30))  # the hot file is full: the next one must know the batch, too
    store.seal()
    store = opened()
    assert store.append(events(0, 3), None, "batch-1") == first
    assert len(all_ids(store)) == 33


def test_the_same_batch_from_two_threads_at_once_is_stored_once(opened, events, all_ids):
    store = opened()
    barrier = threading.Barrier(6)
    commits = []

    def send() -> None:
        barrier.wait()
        commits.append(store.append(events(0, 3), None, "batch-1"))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(map(str, commits))) == 1
    assert len(all_ids(store)) == 3


def test_only_the_last_ten_thousand_batches_are_known(opened, events, monkeypatch):
    monkeypatch.setattr(hot, "REMEMBERED_BATCHES", 5)
    store = opened()
    for number in range(8):
        store.append(events(number), None, f"b{number}")
    store = opened()
    assert list(store._writer._state.batch_ids) == ["b3", "b4", "b5", "b6", "b7"]


def test_positions_move_with_their_events_and_can_be_forgotten(opened, events):
    store = opened()
    store.append(events(0), {"file:a": "10", "file:b": "20", "forward:x": "1"})
    store.append(events(1), {"file:a": "11", "file:b": None})
    assert store.checkpoint("file:") == {"file:a": "11"}
    store = opened()
    assert store.checkpoint() == {"file:a": "11", "forward:x": "1"}


def test_positions_move_without_events_too(opened, events, all_ids):
    store = opened()
    commit = store.append(Batch.of([]), {"file:a": "99"})
    assert commit.last_seq < commit.first_seq
    store = opened()
    assert store.checkpoint() == {"file:a": "99"}
    assert all_ids(store) == []
    assert store.append(events(0)).first_seq == 1


def test_an_event_without_a_time_gets_the_time_of_its_arrival(opened, events, t0):
    store = opened()
    store.append(events(0, 1, timestamp=None))
    store.append(events(1, 1, timestamp=None, received_at=None))
    times = store.oldest(Sql("TRUE"), limit=10)["timestamp"].to_pylist()
    assert times[0] == events(0)["received_at"][0].as_py()
    assert times[1] is not None


def fail_after(monkeypatch: pytest.MonkeyPatch, bytes_allowed: int, code: int) -> None:
    """A disk with room for so many bytes."""
    really_write = os.write
    left = [bytes_allowed]

    def write(descriptor: int, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        if descriptor <= 2:
            return really_write(descriptor, view)
        if left[0] <= 0:
            raise OSError(code, os.strerror(code))
        taken = really_write(descriptor, view[: left[0]])
        left[0] -= taken
        return taken

    monkeypatch.setattr(os, "write", write)


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, StoreFull), (errno.EIO, StoreError)])
@pytest.mark.parametrize("room", [0, 5, 300, 4000])
def test_a_batch_that_finds_no_room_leaves_nothing_behind(opened, events, all_ids, code, error, room):
    store = opened()
    store.append(events(0, 2), {"file": "1"}, "b1")
    size = (store.directory / "hot-000001.arrows").stat().st_size
    with pytest.MonkeyPatch.context() as patch:
        fail_after(patch, room, code)
        with pytest.raises(error):
            store.append(events(2, 50), {"file": "2"}, "b2")
    assert (store.directory / "hot-000001.arrows").stat().st_size == size
    assert all_ids(store) == ["e0", "e1"]
    assert store.checkpoint() == {"file": "1"}
    commit = store.append(events(2, 3), {"file": "2"}, "b2")  # there is room again
    assert (commit.first_seq, commit.last_seq) == (3, 5)
    store = opened()
    assert all_ids(store) == ["e0", "e1", "e2", "e3", "e4"]
    assert store.torn_bytes == 0


def test_when_even_cutting_back_fails_the_next_commit_does_it(opened, events, all_ids, monkeypatch):
    store = opened()
    store.append(events(0))
    with pytest.MonkeyPatch.context() as patch:
        fail_after(patch, 100, errno.EIO)

        def no_truncate(descriptor: int, size: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(os, "ftruncate", no_truncate)
        with pytest.raises(StoreError):
            store.append(events(1))
    store.append(events(2))
    store = opened()
    assert all_ids(store) == ["e0", "e2"]


def test_a_sync_that_fails_acknowledges_nothing(opened, events, all_ids):
    store = opened()
    store.append(events(0))
    with pytest.MonkeyPatch.context() as patch:

        def fail(descriptor: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(disk, "sync_data", fail)
        with pytest.raises(StoreError):
            store.append(events(1))
    assert all_ids(store) == ["e0"]
    store = opened()
    assert all_ids(store) == ["e0"]


def test_without_room_for_the_next_hot_file_writing_goes_on_in_this_one(opened, events, all_ids, early):
    store = opened()
    with pytest.MonkeyPatch.context() as patch:

        def fail(path: object, write: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(disk, "publish", fail)
        for number in range(30):
            store.append(events(number))
    assert len(all_ids(store)) == 30
    store.append(events(30))
    assert (store.directory / "hot-000002.arrows").exists()


def test_sealing_does_not_hold_up_an_append(opened, events, all_ids, early, monkeypatch):
    store = opened()
    store.append(events(0, 25))
    sealing, go_on = threading.Event(), threading.Event()
    really_seal = store._upkeep._seal

    def slow_seal(waiting: object) -> None:
        sealing.set()
        assert go_on.wait(60)
        really_seal(waiting)

    monkeypatch.setattr(store._upkeep, "_seal", slow_seal)
    worker = threading.Thread(target=store.maintain)
    worker.start()
    assert sealing.wait(60)
    for number in range(25, 150):  # several more files fill up meanwhile
        store.append(events(number))
    held = [one.view is not None for one in store._writer.waiting()]
    assert held == [False] * (len(held) - 2) + [True, True]
    assert len(all_ids(store)) == 150
    go_on.set()
    worker.join(60)
    assert len(all_ids(store)) == 150
    assert store._writer.waiting() == ()


def test_a_hot_file_is_finished_when_its_day_is_over(opened, events, monkeypatch):
    store = opened()
    store.append(events(0, 3))
    store.maintain()
    assert store.figures().segments == 0
    monkeypatch.setattr(hot, "today", lambda: "2099-01-01")
    store.maintain()
    assert store.figures().segments == 1
    store.maintain()
    assert store.figures().segments == 1


def test_a_closed_store_refuses(opened, events):
    store = opened()
    store.append(events(0))
    store.close()
    with pytest.raises(StoreError):
        store.append(events(1))
    with pytest.raises(StoreError):
        store.newest(Sql("TRUE"), limit=1)


def test_a_full_hot_file_that_breaks_while_it_waits_keeps_its_good_frames(opened, events, all_ids, early):
    store = opened()
    for first in range(0, 100, 20):
        store.append(events(first, 10))
        store.append(events(first + 10, 10))
    oldest = store._writer.waiting()[0]
    assert oldest.view is None
    broken = bytearray(oldest.file.path.read_bytes())
    broken[len(broken) // 2] ^= 0xFF
    oldest.file.path.write_bytes(broken)
    store.maintain()
    assert len(store.problems) == 1
    assert len(all_ids(store)) == 90
    assert oldest.file.path.with_name(oldest.file.path.name + ".damaged").exists()
