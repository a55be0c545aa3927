"""The files of the embedded store: their names, and which of them count.

    hot-N.arrows        frames, in the order of their commits; the highest N is being written
    seg-N.parquet       the events of hot-N, sorted by time; supersedes hot-N
    seg-A-B.parquet     the events of A to B; supersedes every hot and segment within A..B

There is no manifest: the names are the whole truth, so nothing can disagree with them. A name is used once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..disk import ASIDE, sync_directory

DAMAGED: Final = ".damaged"

_NAME: Final = re.compile(r"(?:hot-(?P<hot>\d+)\.arrows|seg-(?P<first>\d+)(?:-(?P<last>\d+))?\.parquet)")


@dataclass(frozen=True, slots=True, order=True)
class StoreFile:
    """A file that holds the events of the hot files `first` to `last`."""

    first: int
    last: int
    sealed: bool
    path: Path

    def supersedes(self, other: StoreFile) -> bool:
        """Whether `other` no longer counts beside this one."""
        if not self.sealed or self == other:
            return False
        within = self.first <= other.first and other.last <= self.last
        return within and (not other.sealed or self.last - self.first > other.last - other.first)


def hot_file(directory: Path, number: int) -> StoreFile:
    """The hot file with a number."""
    return StoreFile(number, number, sealed=False, path=directory / f"hot-{number:06d}.arrows")


def segment_file(directory: Path, first: int, last: int) -> StoreFile:
    """The sealed events of the hot files `first` to `last`."""
    name = f"seg-{first:06d}.parquet" if first == last else f"seg-{first:06d}-{last:06d}.parquet"
    return StoreFile(first, last, sealed=True, path=directory / name)


def parse_name(path: Path) -> StoreFile | None:
    """The store's file behind a path; None for any other name, half-written and damaged ones among them."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    if match["hot"]:
        return StoreFile(int(match["hot"]), int(match["hot"]), sealed=False, path=path)
    return StoreFile(int(match["first"]), int(match["last"] or match["first"]), sealed=True, path=path)


def listing(directory: Path) -> list[StoreFile]:
    """All files of the store in the order of their events, superseded ones included.

    A directory that changes while it is read can hide both a file that just left and the one that replaced it, so it
    is read until two readings agree.
    """
    before: set[str] | None = None
    while (names := _names(directory)) != before:
        before = names
    return sorted(file for name in names if (file := parse_name(directory / name)))


def _names(directory: Path) -> set[str]:
    try:
        return set(os.listdir(directory))  # noqa: PTH208  (a set of names; Path objects cost more than the listing)
    except FileNotFoundError:
        return set()


def split_superseded(files: Iterable[StoreFile]) -> tuple[list[StoreFile], list[StoreFile]]:
    """The files that count, and those that another one supersedes."""
    files = list(files)
    gone = [file for file in files if any(other.supersedes(file) for other in files)]
    return [file for file in files if file not in gone], gone


def last_number(directory: Path) -> int:
    """The highest number any file ever had that is still there, damaged ones included; 0 when there is none."""
    numbers = [0]
    for name in _names(directory):
        file = parse_name(Path(name.removesuffix(DAMAGED).removesuffix(ASIDE)))
        numbers.append(file.last if file else 0)
    return max(numbers)


def remove(path: Path) -> None:
    """Delete a file that no longer counts; who has it open reads on. Raises OSError."""
    path.unlink(missing_ok=True)


def remove_leftovers(directory: Path) -> None:
    """Delete what a crash left half-written: it was never part of the store."""
    for path in directory.glob(f"*{ASIDE}"):
        path.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that nothing reads it again and somebody can look at it. Returns its new path."""
    target = path.with_name(path.name + DAMAGED)
    path.replace(target)
    sync_directory(path.parent)
    return target
