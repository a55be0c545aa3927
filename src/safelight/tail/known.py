"""What is known of files that were read: how far each is done, while it is open and after, until it is gone."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress

from .position import Content, Identity, Position


class Known:
    """Positions by file, from the committed ones on. A file that leaves and returns goes on where it was.

    Keys of other rooms, and values that are no positions, are passed over.
    """

    def __init__(self, resume: Mapping[str, str], room: str) -> None:
        self._positions: dict[Identity, Position] = {}
        self._heads: dict[int, dict[int, set[Identity]]] = {}
        """By the length and the CRC of what each begins with."""
        for key, text in resume.items():
            identity, position = Identity.parse(key, room), Position.parse(text)
            if identity is not None and position is not None:
                self.put(identity, position)

    def get(self, identity: Identity) -> Position | None:
        """How far this file is done; None when it was never read."""
        return self._positions.get(identity)

    def put(self, identity: Identity, position: Position) -> None:
        """It is done so far."""
        before = self._positions.get(identity)
        if before is None or (before.head_length, before.head_crc) != (position.head_length, position.head_crc):
            self.forget(identity)
            self._heads.setdefault(position.head_length, {}).setdefault(position.head_crc, set()).add(identity)
        self._positions[identity] = position

    def beginning(self, head: bytes) -> Iterator[tuple[Identity, Position]]:
        """The files that begin like this, as far as each was when it was read. A file without a head is none."""
        for length, by_crc in self._heads.items():
            if 0 < length <= len(head):
                for identity in by_crc.get(zlib.crc32(head[:length]), ()):
                    yield identity, self._positions[identity]

    def away(self, followed: Container[Identity]) -> list[tuple[Identity, Position]]:
        """The files that were read and are not `followed` now."""
        return [(identity, position) for identity, position in self._positions.items() if identity not in followed]

    def truncated(self) -> Iterator[Content]:
        """What was read from files that do not hold it any more."""
        return (position.before for position in self._positions.values() if position.before is not None)

    def forget(self, identity: Identity) -> None:
        """It will not come back."""
        position = self._positions.pop(identity, None)
        if position is not None:
            by_crc = self._heads[position.head_length]
            by_crc[position.head_crc].remove(identity)
            if not by_crc[position.head_crc]:
                del by_crc[position.head_crc]


class Listings:
    """What lies in folders, each listed once: to be made anew for each look."""

    def __init__(self) -> None:
        self._by_inode: dict[str, dict[int, list[str]]] = {}

    def name_in(self, folder: str, identity: Identity) -> str | None:
        """What the file is called in this folder now; None when it is not there. Raises OSError."""
        if folder not in self._by_inode:
            self._by_inode[folder] = _listed(folder)
        for path in self._by_inode[folder].get(identity.inode, ()):
            with suppress(FileNotFoundError):  # gone meanwhile
                if Identity.of(os.stat(path)) == identity:
                    return path
        return None

    def is_gone(self, identity: Identity, path: str) -> bool:
        """Whether the file that was at `path` is in its folder no more.

        An error proves nothing, nor does a folder that holds nothing of its device: then its mount is missing.
        """
        folder = os.path.dirname(path) or os.curdir
        try:
            return self.name_in(folder, identity) is None and _holds(folder, identity.device)
        except (FileNotFoundError, NotADirectoryError):
            return folder != path and self.is_gone(identity, folder)
        except OSError:
            return False


def _listed(folder: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                inode = entry.stat().st_ino if entry.is_symlink() else entry.inode()
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ELOOP):  # a link to nothing, or to itself
                    raise
                continue
            found.setdefault(inode, []).append(entry.path)
    return found


def _holds(folder: str, device: int) -> bool:
    if device_of(folder) == device:
        return True
    with os.scandir(folder) as entries:  # links to files elsewhere, or a file system of layers
        return any(device_of(entry.path) == device for entry in entries if os.path.exists(entry.path))


def device_of(path: str) -> int:
    """The device it lies on. Raises OSError."""
    return os.stat(path).st_dev
