from __future__ import annotations

from pathlib import Path

import pytest

from safelight.store import files
from safelight.store.files import StoreFile, listing, parse_name, split_superseded
from safelight.store.segments import SegmentStore


def named(*names: str) -> list[StoreFile]:
    return [file for name in names if (file := parse_name(Path(name)))]


@pytest.mark.parametrize(
    ("names", "live"),
    [
        (["hot-1.arrows", "hot-2.arrows"], ["hot-1.arrows", "hot-2.arrows"]),
        (["hot-1.arrows", "seg-1.parquet"], ["seg-1.parquet"]),
        (["hot-2.arrows", "seg-1.parquet"], ["hot-2.arrows", "seg-1.parquet"]),
        (["seg-1.parquet", "seg-2.parquet", "seg-1-2.parquet"], ["seg-1-2.parquet"]),
        (["hot-2.arrows", "seg-1-2.parquet", "hot-3.arrows"], ["hot-3.arrows", "seg-1-2.parquet"]),
        (
            ["seg-1-2.parquet", "seg-3.parquet", "seg-1-8.parquet", "seg-9.parquet"],
            ["seg-1-8.parquet", "seg-9.parquet"],
        ),
        (["seg-000010.parquet", "hot-000010.arrows"], ["seg-000010.parquet"]),
    ],
)
def test_the_widest_sealed_file_wins(names, live):
    kept, gone = split_superseded(named(*names))
    assert sorted(file.path.name for file in kept) == live
    assert len(kept) + len(gone) == len(names)


@pytest.mark.parametrize(
    "name", ["hot-1.arrows.tmp", "seg-1.parquet.damaged", "seg-.parquet", "hot-1-2.arrows", "notes.txt", "lock"]
)
def test_other_names_are_no_files_of_the_store(name):
    assert parse_name(Path(name)) is None


def test_directories_that_the_store_makes_are_its_owners_business(opened, events):
    store = opened()
    store.append(events(0))
    store.seal()
    assert [store.data.stat().st_mode & 0o777, store.directory.stat().st_mode & 0o777] == [0o700, 0o700]
    assert {path.stat().st_mode & 0o777 for path in store.directory.iterdir()} == {0o600}


def test_a_directory_that_was_there_keeps_its_mode(tmp_path):
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    before = data.stat().st_mode
    SegmentStore.open(data).close()
    assert data.stat().st_mode == before


def test_a_number_is_not_used_again_after_damage(tmp_path):
    for name in ("hot-3.arrows", "seg-1-2.parquet", "hot-7.arrows.damaged", "seg-8.parquet.tmp"):
        (tmp_path / name).touch()
    assert files.last_number(tmp_path) == 8
    assert [file.path.name for file in listing(tmp_path)] == ["seg-1-2.parquet", "hot-3.arrows"]


def test_a_missing_directory_holds_nothing(tmp_path):
    assert listing(tmp_path / "nowhere") == []
