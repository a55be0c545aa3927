"""What was read already under another name: the copy of `copytruncate`, a log that was compressed after its rotation.

A file of another inode is a copy when its content begins as one that was read (the first 256 bytes) and has the same
bytes before the place up to which that was read (256 more). Then only what follows that place is new.

- **A plain copy** counts only if the file that was read does not hold the content any more: it shrank, or is gone.
  While it still does, a new file that holds nothing else waits `HOLD_S` after its last change, at most `MOST_S`, for
  the other to shrink; then it is read as a file of its own: a copy that somebody makes and keeps (`cp a.log b.log`) is
  read too. It must have been written last before the other was seen to shrink, and have another name.
- **A compressed file** counts in any case, once the log is read to its end.

Not recognised: copies that were changed on their way, files with fewer than one whole line read, copies seen only after
a restart during which the original had been truncated twice, and after more than `REMEMBERED` other contents.
Two files whose bytes up to there are the same cannot be told apart; such lines are read once.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final

from .follow import FollowedFile
from .known import Known, Listings
from .packed import PackedFile
from .position import HEAD_BYTES, MARK_BYTES, Content, Identity, Position, shown

HOLD_S: Final = 5.0
MOST_S: Final = 600.0
"""Copying 60 GB at 100 MB/s takes so long."""
REMEMBERED: Final = 1_000

Followed = FollowedFile | PackedFile


class Copies:
    """Knows contents, and recognises them."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._ended: deque[Content] = deque(known.truncated(), maxlen=REMEMBERED)
        self._held: dict[Identity, tuple[int, float, float]] = {}
        """Size, when it last changed, since when it waits."""

    def ended(self, content: Content | None) -> None:
        """Its file does not hold this any more."""
        if content is not None and content.offset:
            self._ended.append(content)

    def place(self, file: FollowedFile, followed: Mapping[Identity, Followed], now: float) -> int | None:
        """Up to where the content of `file` was read under another name; None while that cannot be said.

        Raises OSError.
        """
        status = file.status()
        if not status.st_size:
            return None
        head, shrunk = file.read_at(0, HEAD_BYTES), status.st_mtime_ns // 1_000_000
        alike = list(self._known.beginning(head))
        places = [
            content.offset
            for content in (*self._ended, *_gone(alike, followed))
            if content.path != shown(file.path)
            and content.offset <= status.st_size
            and shrunk <= content.at_ms
            and content.begins(head)
            and content.is_in(file.read_at)
        ]
        others = (followed[identity] for identity, _ in alike if identity in followed)
        twins = not places and not file.is_left and any(_is_twin(file, status.st_size, head, o) for o in others)
        if twins and self._waits(file.identity, status.st_size, now):
            return None
        self._held.pop(file.identity, None)
        return max(places, default=0)

    def in_packed(self, head: bytes, path: str, followed: Mapping[Identity, Followed]) -> list[Content] | None:
        """Contents with which a packed file of this head may begin; None while one of them is still being read."""
        alike = list(self._known.beginning(head))
        for identity, _ in alike:
            other = followed.get(identity)
            if isinstance(other, FollowedFile) and not other.is_done:
                return None
        return [
            content
            for content in (*self._ended, *(position.content() for _, position in alike))
            if content.offset and content.path != shown(path) and content.begins(head)
        ]

    def _waits(self, identity: Identity, size: int, now: float) -> bool:
        last_size, changed, since = self._held.get(identity, (-1, now, now))
        changed = changed if size == last_size else now
        self._held[identity] = (size, changed, since)
        return now - changed < HOLD_S and now - since < MOST_S


def _gone(alike: Sequence[tuple[Identity, Position]], followed: Container[Identity]) -> Iterator[Content]:
    """What was read from files that exist no more."""
    now_ms, listings = time.time_ns() // 1_000_000, Listings()
    for identity, position in alike:
        if position.offset and identity not in followed and listings.is_gone(identity, position.path):
            yield position.content(now_ms)


def _is_twin(file: FollowedFile, size: int, head: bytes, other: Followed) -> bool:
    """Whether all that stands in `file` stands in `other` too, or did until just now."""
    if not isinstance(other, FollowedFile) or other is file or not other.position.offset:
        return False
    content = other.position.content()
    if not content.begins(head):
        return False
    if other.asleep:
        return size < content.offset or content.is_in(file.read_at)
    at = max(0, size - MARK_BYTES)
    return not other.is_intact() or other.read_at(at, MARK_BYTES)[: size - at] == file.read_at(at, size - at)
