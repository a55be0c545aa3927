"""Finished files: numbered, compressed, removed."""

from __future__ import annotations

import gzip
import io
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, cast

from ... import disk
from .template import Template

LATE: Final = timedelta(hours=1)
"""A file of another day is finished when nothing was written to it for so long: events may come late."""
_SUFFIX: Final = {"gzip": ".gz", "zstd": ".zst"}
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is done to finished files."""

    compress: str
    files: int | None
    age: timedelta | None
    writing: Lock = field(default_factory=Lock)
    """Held by whoever writes events to the files."""


def rotate_if_due(path: Path, incoming: int, most: int, today: date | None, zone: tzinfo) -> bool:
    """Give the file a number if it would become too large, or, with `today`, was last written to on another day.
    Whether that was so. `app.ndjson` becomes `app.1.ndjson`; the highest number is the youngest. Raises OSError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    old = today is not None and datetime.fromtimestamp(found.st_mtime, zone).date() != today
    if not found.st_size or (found.st_size + incoming <= most and not old):
        return False
    path.rename(_numbered(path))
    disk.sync_directory(path.parent)
    return True


def tidy(template: Template, keeping: Keeping, now: datetime, go_on: Callable[[], None]) -> None:
    """Compress what is finished, and remove what is not to be kept. `go_on` raises when it is time to stop. Raises
    OSError."""
    families: defaultdict[tuple[str, ...], dict[Path, float]] = defaultdict(dict)
    own, of_today = template.pattern(), template.pattern(now)
    for path in _candidates(template):
        go_on()
        match = own.fullmatch(str(path))
        if match is None or not path.exists():  # it went with the one before
            continue
        changed = path.stat().st_mtime
        finished = match["packed"] or match["number"]
        if not finished and (not template.dated or of_today.fullmatch(str(path)) or _is_fresh(changed, now)):
            continue
        if match["packed"] is None and keeping.compress != "none":
            path = compressed(path, keeping, go_on)  # noqa: PLW2901 - the same file, smaller
        group = tuple(value for name, value in match.groupdict().items() if name not in {"packed", "number"})
        families[group][path] = changed
    for family in families.values():
        youngest_first = sorted(((changed, path) for path, changed in family.items()), reverse=True)
        for rank, (changed, path) in enumerate(youngest_first):
            too_many = keeping.files is not None and rank >= keeping.files
            too_old = keeping.age is not None and now.timestamp() - changed > keeping.age.total_seconds()
            if too_many or too_old:
                path.unlink(missing_ok=True)


def compressed(path: Path, keeping: Keeping, go_on: Callable[[], None]) -> Path:
    """The compressed file in place of a plain one, with its times; complete or not there at all. The plain one, when
    events came late, while it was being compressed."""
    target = path.with_name(path.name + _SUFFIX[keeping.compress])
    found = path.stat()
    if target.exists() and not _same(path, target):  # events that came late began it anew
        with keeping.writing:
            numbered = _numbered(path)
            path.rename(numbered)
        return compressed(numbered, keeping, go_on)

    def pack(aside: Path) -> None:
        with path.open("rb") as plain, aside.open("wb") as raw:
            _pack(plain, raw, keeping.compress, go_on)

    if not target.exists():  # else a crash kept us from removing the plain one
        disk.publish(target, pack)
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    with keeping.writing:
        grown = path.stat().st_size != found.st_size
        (target if grown else path).unlink()
    return path if grown else target


def _is_fresh(changed: float, now: datetime) -> bool:
    return now.timestamp() - changed < LATE.total_seconds()


def _same(plain: Path, packed: Path) -> bool:
    """Whether both hold the same bytes."""
    with plain.open("rb") as left, _unpacked(packed) as right:
        while piece := left.read(_PIECE):
            if right.read(len(piece)) != piece:
                return False
        return not right.read(1)


def _unpacked(packed: Path) -> BinaryIO:
    if packed.suffix == _SUFFIX["gzip"]:
        return cast("BinaryIO", gzip.open(packed))
    import zstandard  # noqa: PLC0415 - only for those who want it

    return cast("BinaryIO", io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed.open("rb"))))


def _pack(plain: BinaryIO, raw: BinaryIO, how: str, go_on: Callable[[], None]) -> None:
    if how == "gzip":
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6) as packed:
            while piece := plain.read(_PIECE):
                go_on()
                packed.write(piece)
        return
    import zstandard  # noqa: PLC0415 - only for those who want it

    with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as stream:
        while piece := plain.read(_PIECE):
            go_on()
            stream.write(piece)


def _numbered(path: Path) -> Path:
    """The next name for a finished file."""
    stem, suffix = (path.stem, path.suffix) if path.suffix and not path.stem.startswith(".") else (path.name, "")
    taken = [
        int(number)
        for other in path.parent.glob(f"{_literal(stem)}.*")
        if (number := other.name[len(stem) + 1 :].split(".")[0]).isdecimal()
    ]
    return path.with_name(f"{stem}.{max(taken, default=0) + 1}{suffix}")


def _literal(text: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


def _candidates(template: Template) -> list[Path]:
    shape = template.glob()
    head, _, name = shape.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    shapes = [name, f"{name}.gz", f"{name}.zst"]
    if dot and stem:
        shapes += [f"{stem}.*.{suffix}", f"{stem}.*.{suffix}.gz", f"{stem}.*.{suffix}.zst"]
    else:
        shapes += [f"{name}.*"]
    prefix = f"{head}/" if head else ""
    return sorted({path for one in shapes for path in template.root.glob(prefix + one) if path.is_file()})
