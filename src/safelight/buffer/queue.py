"""The queue: appended to and synced before anything is acknowledged, emptied from the front."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .. import disk
from ..batch import Checkpoint
from ..errors import StoreCorrupt, StoreError
from . import BufferFull, Claim, Figures, Frame, FrameTooLarge, chunk, ledger
from .chunk import DAMAGED, Chunk, Tail
from .ledger import Entry, Ledger
from .owner import own, refused
from .record import Record, drafts_of, encode
from .recovery import Trouble, fold, look


def _silent(error: StoreError) -> None:
    """For who asks nothing."""


class Buffer:
    """A queue that this process owns. Safe to use from any thread; every method may wait for the disk, and raises
    StoreFull when that has no room, StoreError when it fails: then nothing of what it was to do is done."""

    def __init__(self, directory: Path, chunk_bytes: int, chunks: int, trouble: Trouble, owned: int) -> None:
        self.capacity: Final = chunk_bytes * chunks
        self._directory = directory
        self._chunk_bytes = chunk_bytes
        self._trouble = trouble
        self._owned = owned
        self._lock = threading.RLock()
        self._claim: Claim | None = None
        self._cursor = (0, 0)  # of the record to be read next: serial of its file, offset
        self._waits_since: tuple[int, float] = (0, 0.0)  # number of a frame, and its time

    @classmethod
    def open(cls, directory: Path, *, chunk_bytes: int, chunks: int, on_trouble: Trouble = _silent) -> Buffer:
        """The queue in a directory, which is made if need be: at most `chunks` times `chunk_bytes` bytes of frames;
        positions may take the room of two more files. `on_trouble` is told of damage, and the rest goes on.

        Raises StoreLocked when another process has it, StoreError when the directory cannot be used.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            owned = own(directory)
            try:
                buffer = cls(directory, chunk_bytes, chunks, on_trouble, owned)
                buffer._recover()
            except BaseException:
                os.close(owned)
                raise
        except OSError as error:
            raise refused(directory, error) from error
        return buffer

    def _recover(self) -> None:
        for leftover in self._directory.glob(f"*{disk.ASIDE}"):
            leftover.unlink(missing_ok=True)
        self._set_aside = sum(1 for _ in self._directory.glob(f"*{DAMAGED}"))
        found = look(self._directory, self._trouble, self._lay_aside)
        self._torn, self._checkpoint = found.torn, found.checkpoint
        self._head, self._claimed, self._next = found.head, found.claimed, found.next
        known = ledger.read(self._directory)
        self._ledger = Ledger(self._directory, known or Entry(found.queue, found.head, found.claimed))
        self._chunks = found.chunks
        if not found.resumable:
            self._chunks.append(self._another())
        self._tail = Tail(self._chunks[-1])
        self._trim()

    def append(self, frames: Sequence[Frame], checkpoint: Checkpoint, *, drop_oldest: bool = False) -> int:
        """Put frames and positions in: when this returns they are on the disk, and when it raises none of them is.

        Without frames only the positions move, which needs no room. With `drop_oldest` the oldest files go, whole,
        until there is room. Returns how many events were in those, without the ones that are claimed: whoever claimed
        them has them still. Raises BufferFull, FrameTooLarge.
        """
        with self._lock, self._speaking():
            if not (self._tail.is_there() and self._ledger.is_there()):
                self._restore()
            drafts = drafts_of(frames, self._next, checkpoint)
            size = sum(map(len, drafts_of(frames, self._next, {})))
            if frames and size > self.capacity:
                raise FrameTooLarge("buffer.too_large", directory=self._directory, bytes=size, capacity=self.capacity)
            dropped = 0
            while frames and not self._fits(size):
                if not drop_oldest:
                    raise BufferFull("buffer.full", directory=self._directory)
                dropped += self._drop_oldest()
            if self._overflows(size):
                self._roll()
            last = self._tail.chunk
            self._tail.write(b"".join(encode(draft, last.salt) for draft in drafts))
            for draft in drafts:
                if draft.note.frame:
                    last.took(draft.note)
            self._next += len(frames)
            fold(self._checkpoint, checkpoint)
            return dropped

    def _drop_oldest(self) -> int:
        if len(self._chunks) == 1:
            self._roll()
        oldest = self._chunks[0]
        held = self._claim.frames if self._claim else ()
        dropped = oldest.events - sum(one.count for one in held if self._head <= one.number < oldest.end)
        self._head = max(self._head, oldest.end)
        self._claimed = max(self._claimed, self._head - 1)
        self._ledger.write(self._head, self._claimed)
        self._trim()
        return dropped

    def claim(self, most_count: int, most_weight: int) -> Claim | None:
        """The oldest frames, to be sent now: at most so many events and so much weight, but at least one frame; None
        when nothing waits. It stays the same until it is done, also when this process dies meanwhile."""
        with self._lock, self._speaking():
            while self._claim is None and self._head < self._next:
                try:
                    frames, last, self._cursor = self._oldest(most_count, most_weight)
                except FileNotFoundError:
                    self._restore()
                    continue
                self._ledger.write(self._head, last)
                self._ledger.sync()
                self._claimed = last
                self._claim = Claim(f"{self._ledger.entry.queue}-{self._head}-{last}", last, frames)
                if not frames:  # all of it was damaged
                    self.done(self._claim)
            return self._claim

    def _oldest(self, most_count: int, most_weight: int) -> tuple[tuple[Frame, ...], int, tuple[int, int]]:
        """The frames to be claimed, the number of the last of them, and where the next record begins."""
        resumed = self._claimed >= self._head
        last, cursor = self._claimed if resumed else self._next - 1, self._cursor
        frames: list[Frame] = []
        count = weight = 0
        for record, after in self._walk():
            note = record.note
            count, weight = count + note.count, weight + note.weight
            if resumed and note.number > last:
                break
            if not resumed and frames and (count > most_count or weight > most_weight):
                last = frames[-1].number
                break
            frames.append(record.frame())
            cursor = after
        return tuple(frames), last, cursor

    def done(self, claim: Claim) -> None:
        """It is where it should be, or nobody wants it: it never comes again.

        That survives the end of this process at once, the end of the machine with the next claim: at worst the same
        claim comes once more.
        """
        with self._lock, self._speaking():
            for frame in claim.frames:
                if frame.number >= self._head and (one := self._chunk_of(frame.number)):
                    one.gave(frame.count, frame.weight)
            self._claim = None
            self._head = max(self._head, claim.last + 1)
            self._claimed = self._head - 1
            self._ledger.write(self._head, self._claimed)
            self._trim()

    def checkpoint(self, prefix: str = "") -> Mapping[str, str]:
        """The positions whose key starts with `prefix`."""
        with self._lock:
            return {key: position for key, position in self._checkpoint.items() if key.startswith(prefix)}

    def figures(self) -> Figures:
        """What it holds. Raises nothing."""
        with self._lock:
            return Figures(
                frames=sum(one.frames for one in self._chunks),
                events=sum(one.events for one in self._chunks),
                weight=sum(one.weight for one in self._chunks),
                bytes=sum(one.size for one in self._chunks),
                capacity=self.capacity,
                oldest_at=self._oldest_at(),
                set_aside=self._set_aside,
                torn=self._torn,
            )

    def close(self) -> None:
        """Let others have it. What was appended needs no closing to be safe."""
        with self._lock:
            with contextlib.suppress(OSError):
                self._ledger.sync()
            self._tail.close()
            self._ledger.close()
            os.close(self._owned)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fits(self, size: int) -> bool:
        """An empty queue has room, whatever its positions take: else it would never have any."""
        return self._head == self._next or sum(one.size for one in self._chunks) + size <= self.capacity

    def _overflows(self, size: int) -> bool:
        last = self._tail.chunk
        return last.size + size > self._chunk_bytes and last.size > last.opening

    def _roll(self) -> None:
        """Go on in a new file."""
        another = self._another()
        self._tail.close()
        self._chunks.append(another)
        self._tail = Tail(another)
        self._trim()

    def _another(self) -> Chunk:
        serial = self._chunks[-1].serial + 1 if self._chunks else 1
        return chunk.create(self._directory, serial, self._next, self._ledger.entry.queue, self._checkpoint)

    def _trim(self) -> None:
        """Remove files of which nothing is to be sent. The ledger first: were the files gone and the ledger not yet
        written when the machine stops, it would speak of frames that nobody can find."""
        gone = [one for one in self._chunks[:-1] if one.end <= self._head or one.end == one.first]
        if gone:
            self._ledger.sync()
        for one in gone:
            one.path.unlink(missing_ok=True)
            self._chunks.remove(one)
        if self._head == self._next:
            self._chunks[-1].emptied()

    def _restore(self) -> None:
        """Go on after somebody removed files of ours: what waited in them is gone, positions and numbers are known.
        Otherwise we would go on writing where nobody ever reads."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.fstat(self._owned).st_nlink == 0:
            owned = own(self._directory)
            os.close(self._owned)
            self._owned = owned
        if not self._ledger.is_there():
            entry = self._ledger.entry
            self._ledger.close()
            self._ledger = Ledger(self._directory, entry)
        there = [one for one in self._chunks if one.path.exists()]
        events = sum(one.events for one in self._chunks if one not in there)
        self._chunks, self._cursor = there, (0, 0)
        if not self._tail.is_there():
            self._chunks.append(self._another())
            self._tail.close()
            self._tail = Tail(self._chunks[-1])
        self._trouble(StoreError("buffer.removed", directory=self._directory, events=events))

    def _walk(self) -> Iterator[tuple[Record, tuple[int, int]]]:
        """The frames that are to be sent, and where the next one begins."""
        serial, offset = self._cursor
        for one in list(self._chunks):
            if one.serial < serial:
                continue
            for record in one.walk(offset if one.serial == serial else 0, self._lay_aside):
                if record.note.frame and record.note.number >= self._head:
                    yield record, (one.serial, record.end)

    def _chunk_of(self, number: int) -> Chunk | None:
        return next((one for one in self._chunks if one.first <= number < one.end), None)

    def _oldest_at(self) -> datetime | None:
        if self._head == self._next:
            return None
        if self._waits_since[0] != self._head:
            try:
                at = self._claim.frames[0].at if self._claim else next(self._walk())[0].note.at
            except (OSError, StopIteration):  # unreadable: whoever claims it finds out
                return None
            self._waits_since = (self._head, at)
        return datetime.fromtimestamp(self._waits_since[1], UTC)

    def _lay_aside(self, one: Chunk, start: int, stop: int) -> None:
        if one.lay_aside(start, stop) is not None:
            self._set_aside += 1
            self._trouble(StoreCorrupt("buffer.damaged", file=one.path, bytes=stop - start, offset=start))

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """The system's errors as ours."""
        try:
            yield
        except OSError as error:
            raise refused(self._directory, error) from error
