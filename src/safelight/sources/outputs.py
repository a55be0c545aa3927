"""Files that a service writes: which are new, and whether each shows anything."""

from __future__ import annotations

import ast
import glob
import os
import stat
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..comfyui.pack.images import look

SETTLED_S: Final = 2.0
"""A file is judged when it has not changed for so long: until then it may still be written."""
MOST_AT_ONCE: Final = 200
"""Files judged in one look; the others follow in the next."""
FLOATS_BYTES: Final = 256 * 1024 * 1024
"""Larger files of floating-point numbers are not searched for NaN."""
_FLOATS: Final = {"<f4": "f", "<f8": "d"}
"""Of NumPy's `descr` (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was found. `changed_ns`: when its content or its name changed last, which nobody can set back."""

    path: str
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """What one look found."""

    new: tuple[Written, ...]
    """Settled files that changed after the last look, oldest first."""
    newest_ns: int | None
    """When the newest of all changed, settled or not; None when there is none."""


def find(patterns: Sequence[str], after_ns: int, now_ns: int) -> Found:
    """Regular files that the globs match and that changed after `after_ns`."""
    newest: int | None = None
    new: list[Written] = []
    for path in {path for pattern in patterns for path in glob.iglob(os.path.expanduser(pattern), recursive=True)}:  # noqa: PTH111,PTH207 - Path's raises for the home of nobody
        try:
            found = os.stat(path)  # noqa: PTH116 - one call, on a name that may be no UTF-8
        except OSError:  # gone meanwhile
            continue
        if not stat.S_ISREG(found.st_mode):
            continue
        newest = max(newest or 0, found.st_ctime_ns)
        if after_ns < found.st_ctime_ns <= now_ns - int(SETTLED_S * 1e9):
            new.append(Written(path, found.st_size, found.st_ctime_ns))
    new.sort(key=lambda one: (one.changed_ns, one.path))
    return Found(tuple(_whole_moments(new)), newest)


def _whole_moments(files: list[Written]) -> Iterator[Written]:
    """The first ones, all that share a moment together: the next look goes on after the last moment."""
    for number, one in enumerate(files):
        if number >= MOST_AT_ONCE and one.changed_ns != files[number - 1].changed_ns:
            return
        yield one


def judge(written: Written, smallest: int | None) -> dict[str, Any]:
    """`check` in the words of the node pack (`comfyui/pack/images.py`), and `nan` and `too_small`; size, dimensions."""
    import PIL.Image  # noqa: F401, PLC0415 - with Pillow loaded, pixels of every kind of image are looked at

    suffix = Path(written.path).suffix.lower()
    found = look(written.path)
    if found["check"] == "unchecked" and suffix in _READERS and written.size <= FLOATS_BYTES:
        found["check"] = _numbers(written.path, suffix)
    if found["check"] in {"ok", "unchecked"} and smallest is not None and written.size < smallest:
        found["check"] = "too_small"
    return found


def _numbers(path: str, suffix: str) -> str:
    try:
        with Path(path).open("rb") as file:
            numbers = _READERS[suffix](file)
    except Exception:  # noqa: BLE001 - Pillow and `ast` raise anything over a file that is damaged, or too large
        return "unreadable"
    if not numbers:
        return "unchecked"
    low, high = min(numbers), max(numbers)
    if any(number != number for number in numbers):  # noqa: PLR0124 - only NaN is not itself
        return "nan"
    return "uniform" if low == high else "ok"


def _tiff(file: BinaryIO) -> Sequence[float]:
    from PIL import Image  # noqa: PLC0415 - only for the files that need it

    with Image.open(file) as image:
        return array("f", image.tobytes()) if image.mode == "F" else array("f", map(float, _ends(image)))


def _ends(image: Any) -> Iterator[int]:
    """The least and the greatest value of each band stand for all: no integer is NaN."""
    extrema = image.getextrema()
    for low, high in extrema if isinstance(extrema[0], tuple) else [extrema]:
        yield low
        yield high


def _npy(file: BinaryIO) -> Sequence[float]:
    """NumPy's format, versions 1 to 3, of 32 and 64-bit floats; empty for other types."""
    magic = file.read(8)
    if magic[:6] != b"\x93NUMPY":
        raise ValueError(magic)
    length = struct.unpack("<H", file.read(2))[0] if magic[6] == 1 else struct.unpack("<I", file.read(4))[0]
    header = ast.literal_eval(file.read(min(length, 65_536)).decode("latin-1"))
    code = _FLOATS.get(header["descr"])
    if code is None:
        return ()
    numbers = array(code)
    numbers.frombytes(file.read())
    return numbers


_READERS: Final = {".tif": _tiff, ".tiff": _tiff, ".npy": _npy}
