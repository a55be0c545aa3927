"""Opening a data directory, after a clean end or after none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..batch import SCHEMA
from ..errors import StoreCorrupt, StoreError
from . import files
from .catalog import Hot, Segment, hold_recent, read_segment
from .files import StoreFile
from .hot import HotFile, HotReader, State
from .seal import seal

Report = Callable[[StoreError], None]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What the directory held, ready to go on."""

    state: State
    hot: HotFile
    frozen: tuple[Hot, ...]
    segments: tuple[Segment, ...]
    torn_bytes: int  # of a commit that never finished and was never acknowledged


def recover(directory: Path, report: Report) -> Recovered:
    """Read the names, the footers and the hot files, and open a hot file to go on with.

    Damaged files are set aside and reported; the good frames of a damaged hot file are sealed first. Raises OSError.
    """
    files.remove_leftovers(directory)
    segments = _segments(directory, report)
    hots = [file for file in files.listing(directory) if not file.sealed]
    live, superseded = files.split_superseded([*(one.file for one in segments), *hots])
    segments = [one for one in segments if one.file in live]
    for file in superseded:
        files.remove(file.path)

    state = State(next_seq=1 + max((one.extent.max_seq for one in segments), default=0))
    readers: list[tuple[StoreFile, HotReader]] = []
    for file in (file for file in hots if file in live):
        reader = HotReader(file).refresh()
        if reader.schema is None:
            _unreadable(file, state, report)
            continue
        reader.state.next_seq = max(reader.state.next_seq, state.next_seq)
        state = reader.state
        readers.append((file, reader))

    torn = readers[-1][1].torn if readers else 0
    hot = _go_on(directory, readers, state)
    frozen = []
    for file, reader in readers:
        if reader.damaged:
            segments += _salvage(directory, file, reader, report)
        elif file != hot.file:
            frozen.append(Hot.of(file, reader.view(), reader.end))
    return Recovered(state, hot, hold_recent(frozen), tuple(sorted(segments, key=lambda one: one.file)), torn)


def _go_on(directory: Path, readers: list[tuple[StoreFile, HotReader]], state: State) -> HotFile:
    """The newest hot file, if it is whole and from a version with the same columns; otherwise a new one."""
    if readers:
        file, reader = readers[-1]
        newest = file.first == files.last_number(directory)
        if newest and not reader.damaged and reader.schema is not None and reader.schema.equals(SCHEMA):
            return HotFile.resume(reader)
    return HotFile.create(directory, files.last_number(directory) + 1, state)


def _segments(directory: Path, report: Report) -> list[Segment]:
    good = []
    for file in files.listing(directory):
        if not file.sealed:
            continue
        try:
            good.append(read_segment(file))
        except StoreCorrupt as problem:
            files.set_aside(file.path)
            report(problem)
    return good


def _unreadable(file: StoreFile, state: State, report: Report) -> None:
    """A hot file without its opening. How many events it held is unknown, but an event takes more than a byte:
    numbers go on behind all that it can have given away, so that none is used twice."""
    state.next_seq += file.path.stat().st_size
    files.set_aside(file.path)
    report(StoreCorrupt("store.damaged", file=file.path.name, reason="no opening frame"))


def _salvage(directory: Path, file: StoreFile, reader: HotReader, report: Report) -> list[Segment]:
    """Seal the good frames of a damaged hot file and set it aside. A newer hot file already knows all that it knew."""
    sealed = [seal(directory, file, reader.view())] if reader.view().extent.events else []
    files.set_aside(file.path)
    lost = sum(stop - start for start, stop in reader.damaged)
    report(StoreCorrupt("store.damaged", file=file.path.name, reason=f"{lost} bytes"))
    return sealed
