"""The images that a run saved, for showing them.

Which file it is was said by an event, and events are anybody's. So nothing is read but what a run of this machine says
it wrote here: a regular file, no link, under the name that the event gives it, that begins as an image does. SVG is no
image here: it can carry scripts.
"""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from ...query import runs as query
from ...store import Store
from .reading import decoded
from .saved import MOST_SAVED, saved

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of an image that is shown."""
MOST_TOLD: Final = MOST_SAVED * 4
"""Events about files of a run that are read; several witnesses may tell of each."""
_BEGINNINGS: Final = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypavif", 4, "image/avif"),
)
"""PNG (W3C PNG 5.2), JPEG (ISO 10918-1 B.1.1.3), GIF89a 17, WebP (RFC 9649 2.4), AVIF (ISO 14496-12 4.3)."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image, and what it is by its own first bytes."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a run saved, as told."""

    filename: str
    subfolder: str
    type: str
    path: str | None
    host: str | None
    instance: str | None


def output(store: Store, run_id: str, index: int) -> Output | None:
    """The file of that number of a run; None when there is none."""
    rows = decoded(store.run(query.saved(run_id, MOST_TOLD)).to_pylist())
    one = next((one for one in saved(rows) if one["index"] == index), None)
    if one is None:
        return None
    return Output(one["filename"], one["subfolder"], one["type"], one["path"], one["host"], one["instance"])


def of_this_machine(output: Output) -> Image | None:
    """The image, when it lies here; None when it does not, or what lies there is something else. Never raises."""
    if not output.path or output.host != socket.gethostname() or not _named(output):
        return None
    # A link may lead anywhere, and opening a pipe would wait for its writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(output.path, flags)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return image(file.read(MOST_BYTES + 1))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def image(data: bytes) -> Image | None:
    """What these bytes are, if they are an image of a size that is shown."""
    kind = next((kind for begin, at, kind in _BEGINNINGS if data[at : at + len(begin)] == begin), None)
    return Image(data, kind) if kind and len(data) <= MOST_BYTES else None


def _named(output: Output) -> bool:
    """Whether the path is absolute, has no steps upwards, and ends as the event names the file."""
    path = PurePath(output.path or "")
    named = PurePath(output.subfolder) / output.filename
    upwards = ".." in path.parts or ".." in named.parts
    return (
        path.is_absolute()
        and not upwards
        and not named.is_absolute()
        and path.parts[-len(named.parts) :] == named.parts
    )
