from __future__ import annotations

import subprocess
import sys

import pytest

from safelight.errors import StoreError
from safelight.query.sql import Sql
from safelight.store import files
from safelight.store.segments import SegmentStore


def test_a_reader_beside_the_writer_sees_what_was_committed(opened, events, all_ids, early):
    store = opened()
    with SegmentStore.open(store.data, read_only=True) as beside:
        assert all_ids(beside) == []
        for first in range(0, 90, 9):
            store.append(events(first, 9), {"file": str(first)})
            assert len(all_ids(beside)) == first + 9
            assert beside.checkpoint() == {"file": str(first)}
            if first % 27 == 0:
                store.maintain()
        assert beside.figures() == store.figures()
        store.seal()
        assert all_ids(beside) == all_ids(store)
        assert beside.problems == []


def test_a_half_written_frame_is_not_seen(opened, events, all_ids):
    store = opened()
    store.append(events(0, 3))
    path = store.directory / "hot-000001.arrows"
    whole = path.read_bytes()
    store.append(events(3, 3))
    later = path.read_bytes()
    store.close()
    with SegmentStore.open(store.data, read_only=True) as beside:
        for cut in range(len(whole), len(later), 97):
            path.write_bytes(later[:cut])
            assert len(all_ids(beside)) == 3
        path.write_bytes(later)
        assert len(all_ids(beside)) == 6


def test_a_commit_that_the_writer_took_back_is_forgotten(opened, events, all_ids):
    store = opened()
    store.append(events(0, 3))
    path = store.directory / "hot-000001.arrows"
    whole = path.read_bytes()
    store.append(events(3, 3))
    with SegmentStore.open(store.data, read_only=True) as beside:
        assert len(all_ids(beside)) == 6
        path.write_bytes(whole)
        assert len(all_ids(beside)) == 3


def test_a_reader_changes_nothing_on_the_disk(opened, events, all_ids, early):
    store = opened()
    store.append(events(0, 20))
    store.seal()
    store.append(events(20, 5))
    store.close()
    (store.directory / "seg-000001.parquet").write_bytes(b"broken")
    (store.directory / "hot-000009.arrows.tmp").write_bytes(b"half")
    before = {path.name: path.read_bytes() for path in store.directory.iterdir()}
    with SegmentStore.open(store.data, read_only=True) as beside:
        assert len(all_ids(beside)) == 5
        assert len(beside.problems) == 1
        with pytest.raises(StoreError):
            beside.append(events(0))
    assert {path.name: path.read_bytes() for path in store.directory.iterdir()} == before


def test_what_is_sealed_while_the_files_are_listed_is_not_missed(opened, events, all_ids, monkeypatch):
    store = opened()
    store.append(events(0, 5))
    listing = files.listing

    def listing_then_sealing(directory):
        found = listing(directory)
        monkeypatch.setattr(files, "listing", listing)
        store.seal()
        return found

    with SegmentStore.open(store.data, read_only=True) as beside:
        monkeypatch.setattr(files, "listing", listing_then_sealing)
        assert len(all_ids(beside)) == 5


def test_an_empty_directory_can_be_read(tmp_path):
    with SegmentStore.open(tmp_path / "nothing", read_only=True) as store:
        assert len(store.newest(Sql("TRUE"), limit=5)) == 0
        assert store.figures().events == 0
        assert store.checkpoint() == {}
    assert not (tmp_path / "nothing").exists()


READER = r"""
import sys
from pathlib import Path
from safelight.query.sql import Sql
from safelight.store import files
from safelight.store.segments import SegmentStore

store = SegmentStore.open(Path(sys.argv[1]), read_only=True)
seen = 0
print("ready", flush=True)
while seen < 600:
    counts = store.run(Sql("SELECT count(*) AS n, count(DISTINCT id) AS d FROM events")).to_pylist()[0]
    assert counts["n"] == counts["d"] >= seen, (counts, seen)
    assert len(store.newest(Sql("TRUE"), limit=1000)) >= counts["n"]
    seen = counts["n"]
assert store.problems == []
print("all", seen, flush=True)
"""


def test_another_process_reads_while_files_are_sealed_and_merged(tmp_path, events, early, monkeypatch):
    monkeypatch.setattr("safelight.store.merge.TOGETHER", 3)
    with (
        SegmentStore.open(tmp_path) as store,
        subprocess.Popen([sys.executable, "-c", READER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child,
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        for first in range(0, 600, 5):
            store.append(events(first, 5))
        assert child.stdout.readline() == "all 600\n"
        assert child.wait(20) == 0
