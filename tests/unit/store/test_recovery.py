from __future__ import annotations

import itertools
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from safelight import disk
from safelight.batch import SCHEMA
from safelight.errors import StoreError
from safelight.query.sql import Sql
from safelight.store import files, frame
from safelight.store.lock import Lock
from safelight.store.segments import SegmentStore

EVENTS = 10


def live(data: Path, lock: Lock, events, acked: list[int]) -> None:
    """Commits that fill several hot files, sealing, merging: everything that writes. `acked`: what was acknowledged."""
    store = SegmentStore.open(data, lock=lock)
    for number in range(EVENTS):
        store.append(events(number), {"file": str(number)}, f"b{number}")
        acked.append(number)
        if number % 6 == 5:
            store.maintain()
    store.seal()
    store.close()


def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path, events, all_ids, still, monkeypatch, dying_disk):
    monkeypatch.setattr("safelight.store.hot.MAX_EVENTS", 2)
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 3)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # this disk keeps all that it was given
    monkeypatch.setattr(disk, "sync_data", lambda descriptor: None)
    for step in itertools.count(1):
        data = tmp_path / str(step)
        acked: list[int] = []
        lock = Lock.take(data)
        with dying_disk(step) as dying:
            live(data, lock, events, acked)
        lock.release()
        with SegmentStore.open(data) as store:
            found = all_ids(store)
            # One more than acknowledged may be there: it was durable, and the crash came before the answer.
            assert found in ([f"e{n}" for n in acked], [f"e{n}" for n in range(len(acked) + 1)])
            assert store.checkpoint() == ({"file": str(len(found) - 1)} if found else {})
            assert store.problems == []
            for number in range(len(acked), EVENTS + 2):  # whoever got no answer sends again
                store.append(events(number), {"file": str(number)}, f"b{number}")
            store.seal()
            assert all_ids(store) == [f"e{n}" for n in range(EVENTS + 2)]
            assert store.figures().events == EVENTS + 2
        assert not list(data.glob("events/*.tmp"))
        if not dying.dead:
            break
        shutil.rmtree(data)
    assert step > 80  # the disk really died at every step of all that


CHILD = r"""
import sys
from datetime import UTC, datetime
from pathlib import Path
from safelight.batch import Batch
from safelight.store import hot, merge
from safelight.store.segments import SegmentStore

hot.MAX_EVENTS, merge.TOGETHER = 50, 3
store = SegmentStore.open(Path(sys.argv[1]))
number = int(sys.argv[2])
while True:
    store.append(Batch.of([{"id": f"e{n}", "timestamp": datetime.now(UTC)} for n in range(number, number + 3)]))
    number += 3
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()
"""


def test_twenty_times_killed_nothing_acknowledged_is_lost(tmp_path, all_ids):
    rng = random.Random(11)
    acked = 0
    for _ in range(20):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), str(acked)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        with child:
            for _ in range(rng.randrange(1, 40)):
                acked = int(child.stdout.readline())
            child.kill()
            rest = child.stdout.read().splitlines()
        acked = max([acked, *(int(line) for line in rest if line)])
        with SegmentStore.open(tmp_path, read_only=True) as store:
            found = all_ids(store)
        assert len(found) in (acked, acked + 3)
        assert found == [f"e{n}" for n in range(len(found))]
        acked = len(found)
    assert acked > 300


def test_a_torn_last_frame_is_cut_off_and_counted(opened, events, all_ids):
    store = opened()
    store.append(events(0, 3))
    store.close()
    path = store.directory / "hot-000001.arrows"
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"SLF1" + b"\x10\0\0\0" * 5)
    store = opened()
    assert store.torn_bytes == 24
    assert store.problems == []
    assert path.stat().st_size == size
    assert all_ids(store) == ["e0", "e1", "e2"]


def test_a_damaged_segment_is_set_aside_and_the_rest_goes_on(opened, events, all_ids, early):
    store = opened()
    for first in (0, 20, 40):
        store.append(events(first, 20))
    store.seal()
    store.close()
    victim = store.directory / "seg-000002.parquet"
    victim.write_bytes(victim.read_bytes()[:-20])
    heard = []
    store = opened(on_problem=heard.append)
    assert all_ids(store) == [f"e{n}" for n in [*range(20), *range(40, 60)]]
    assert [problem.values["file"] for problem in store.problems] == ["seg-000002.parquet"]
    assert heard == store.problems
    assert victim.with_name("seg-000002.parquet.damaged").exists()
    assert store.append(events(60)).first_seq == 61
    assert opened().problems == []


def test_a_segment_that_breaks_while_the_store_is_open_is_found_by_the_first_question(opened, events, all_ids, early):
    store = opened()
    for first in (0, 20, 40):
        store.append(events(first, 20))
    store.seal()
    victim = store.directory / "seg-000002.parquet"
    whole = victim.read_bytes()
    victim.write_bytes(b"PAR1" + b"\xff" * (len(whole) - 8) + b"PAR1")
    assert all_ids(store) == [f"e{n}" for n in [*range(20), *range(40, 60)]]
    assert len(store.problems) == 1
    assert store.run(Sql("SELECT count(*) AS n FROM events")).to_pylist() == [{"n": 40}]


def test_damage_in_the_middle_of_the_hot_file_costs_only_that_frame(opened, events, all_ids):
    store = opened()
    ends = []
    for number in range(4):
        store.append(events(number * 10, 10), {"file": str(number)})
        ends.append((store.directory / "hot-000001.arrows").stat().st_size)
    store.close()
    path = store.directory / "hot-000001.arrows"
    broken = bytearray(path.read_bytes())
    broken[ends[0] + 100] ^= 0xFF
    path.write_bytes(broken)
    store = opened()
    assert all_ids(store) == [f"e{n}" for n in [*range(10), *range(20, 40)]]
    assert store.checkpoint() == {"file": "3"}
    assert len(store.problems) == 1
    assert path.with_name("hot-000001.arrows.damaged").exists()
    assert store.append(events(40)).first_seq == 41
    store = opened()
    assert store.problems == []
    assert len(all_ids(store)) == 31


def test_a_hot_file_without_its_opening_is_set_aside_and_no_number_is_used_twice(opened, events, all_ids, early):
    store = opened()
    store.append(events(0, 20), {"file": "1"})
    store.seal()
    store.append(events(20, 7), {"file": "2"})
    store.close()
    path = store.directory / "hot-000002.arrows"
    broken = bytearray(path.read_bytes())
    broken[3] ^= 0xFF
    path.write_bytes(broken)
    store = opened()
    assert len(store.problems) == 1
    assert all_ids(store) == [f"e{n}" for n in range(20)]
    assert store.append(events(30)).first_seq > 27
    assert (store.directory / "hot-000003.arrows").exists()


def test_what_a_crash_left_superseded_is_deleted_and_not_read(opened, events, all_ids, early):
    store = opened()
    store.append(events(0, 20))
    leftover = (store.directory / "hot-000001.arrows").read_bytes()
    store.seal()
    store.close()
    (store.directory / "hot-000001.arrows").write_bytes(leftover)
    (store.directory / "seg-000009.parquet.tmp").write_bytes(b"half")
    with SegmentStore.open(store.data, read_only=True) as beside:
        assert len(all_ids(beside)) == 20
    store = opened()
    assert len(all_ids(store)) == 20
    assert [file.path.name for file in files.listing(store.directory)] == ["seg-000001.parquet", "hot-000002.arrows"]
    assert not list(store.directory.glob("*.tmp"))


def test_a_hot_file_of_another_version_is_read_and_not_written_to(opened, events, all_ids):
    store = opened()
    store.close()
    fewer = SCHEMA.remove(SCHEMA.get_field_index("host"))
    opening = frame.Opening(42, "2026-11-22", {})
    pieces = frame.encode(frame.Note(1, opening=opening), fewer.serialize(), 0)
    packed = frame.pack(pa.RecordBatch.from_pylist(events(0, 2).table.to_pylist(), schema=fewer))
    pieces += frame.encode(frame.Note(1, 2, {"file": "1"}, None, packed.columns), packed.payload, 42)
    (store.directory / "hot-000001.arrows").write_bytes(b"".join(pieces))
    store = opened()
    store.append(events(2))
    assert all_ids(store) == ["e0", "e1", "e2"]
    assert store.checkpoint() == {"file": "1"}
    assert len(files.listing(store.directory)) == 2


def test_an_unusable_directory_says_why(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreError, match="data"):
        SegmentStore.open(tmp_path / "data")
