"""What is known of files that were read: how far each is done, while it is open and after, until it is gone."""

from __future__ import annotations

import os
from collections.abc import Container, Mapping

from .position import Identity, Position


class Known:
    """Positions by file, from the committed ones on. A file that leaves and returns goes on where it was.

    Keys of other rooms, and values that are no positions, are passed over.
    """

    def __init__(self, resume: Mapping[str, str], room: str) -> None:
        self._positions: dict[Identity, Position] = {}
        for key, text in resume.items():
            identity, position = Identity.parse(key, room), Position.parse(text)
            if identity is not None and position is not None:
                self._positions[identity] = position

    def get(self, identity: Identity) -> Position | None:
        """How far this file is done; None when it was never read."""
        return self._positions.get(identity)

    def put(self, identity: Identity, position: Position) -> None:
        """It is done so far."""
        self._positions[identity] = position

    def away(self, followed: Container[Identity]) -> list[tuple[Identity, Position]]:
        """The files that were read and are not `followed` now."""
        return [(identity, position) for identity, position in self._positions.items() if identity not in followed]

    def forget(self, identity: Identity) -> None:
        """It will not come back."""
        self._positions.pop(identity, None)


def name_in(folder: str, identity: Identity) -> str | None:
    """What the file is called in this folder now; None when it is not there. Raises OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.inode() != identity.inode and not entry.is_symlink():
                continue
            try:
                if Identity.of(entry.stat()) == identity:
                    return entry.path
            except FileNotFoundError:  # gone meanwhile, or a link to nothing
                continue
    return None


def is_gone(identity: Identity, path: str) -> bool:
    """Whether the file that was at `path` is in its folder no more.

    An error proves nothing, nor does a folder that holds nothing of its device: then its mount is missing.
    """
    folder = os.path.dirname(path) or os.curdir
    try:
        return name_in(folder, identity) is None and _holds(folder, identity.device)
    except (FileNotFoundError, NotADirectoryError):
        return folder != path and is_gone(identity, folder)
    except OSError:
        return False


def _holds(folder: str, device: int) -> bool:
    if device_of(folder) == device:
        return True
    with os.scandir(folder) as entries:  # links to files elsewhere, or a file system of layers
        return any(device_of(entry.path) == device for entry in entries if os.path.exists(entry.path))


def device_of(path: str) -> int:
    """The device it lies on. Raises OSError."""
    return os.stat(path).st_dev
