from __future__ import annotations

from pathlib import Path

import pytest

from safelight.store import files
from safelight.store.files import StoreFile, listing, parse_name, split_superseded


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


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "seg-1.parquet"

    def fail(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.publish(target, fail)
    assert list(tmp_path.iterdir()) == []
    files.publish(target, lambda aside: aside.write_bytes(b"whole"))
    assert target.read_bytes() == b"whole"


def test_a_number_is_not_used_again_after_damage(tmp_path):
    for name in ("hot-3.arrows", "seg-1-2.parquet", "hot-7.arrows.damaged", "seg-8.parquet.tmp"):
        (tmp_path / name).touch()
    assert files.last_number(tmp_path) == 8
    assert [file.path.name for file in listing(tmp_path)] == ["seg-1-2.parquet", "hot-3.arrows"]


def test_a_missing_directory_holds_nothing(tmp_path):
    assert listing(tmp_path / "nowhere") == []
