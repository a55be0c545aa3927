"""What a sink has on the disk, its queue and its dead letters, as the event loop uses them: waited for in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import msgspec

from .. import disk
from ..batch import Batch, Checkpoint
from ..buffer import Claim, Figures, Frame
from ..buffer.queue import Buffer
from ..errors import StoreError
from ..sinks import Sink
from .letters import Letters, read
from .payload import MOST_WEIGHT, pack

QUEUE: Final = "queue"
LETTERS: Final = "letters"
"""Under which a queue keeps which file of dead letters it has taken last."""
_ABOUT: Final = "about.json"

_T = TypeVar("_T")


class About(msgspec.Struct, frozen=True):
    """What a sink is, for those who find its directory and know no configuration."""

    type: str
    name: str
    chunk: int
    chunks: int
    dead_letters: str

    @classmethod
    def read(cls, directory: Path) -> About:
        """Raises StoreError where no sink has its directory."""
        try:
            return msgspec.json.decode((directory / _ABOUT).read_bytes(), type=cls)
        except OSError as error:
            raise _unusable(directory, error) from error
        except msgspec.MsgspecError as error:
            raise StoreError("buffer.unusable", directory=directory, reason=str(error)) from error

    def write(self, directory: Path) -> None:
        """Raises OSError."""
        content = msgspec.json.encode(self)
        disk.publish(directory / _ABOUT, lambda aside: _write(aside, content))


@dataclass(slots=True)
class Stock:
    """Open until it is closed. Methods raise StoreError; what they were to do is then not done."""

    sink: Sink
    queue: Buffer
    letters: Letters
    figures: Figures
    _limiter: anyio.CapacityLimiter

    @classmethod
    async def open(cls, sink: Sink, directory: Path, on_trouble: Callable[[StoreError], None]) -> Stock:
        """What is in a directory, which is made if need be. Raises StoreLocked when another process has it."""

        def work() -> tuple[Buffer, Letters]:
            size = sink.buffer
            queue = Buffer.open(directory / QUEUE, chunk_bytes=size.chunk, chunks=size.chunks, on_trouble=on_trouble)
            try:
                laid_aside = letters_directory(sink, directory)
                letters = Letters(laid_aside, sink.called)
                _settle(queue, letters)
                About(sink.kind(), sink.called, size.chunk, size.chunks, str(laid_aside.absolute())).write(directory)
            except OSError as error:
                queue.close()
                raise _unusable(directory, error) from error
            except StoreError:
                queue.close()
                raise
            return queue, letters

        limiter = anyio.CapacityLimiter(1)
        queue, letters = await anyio.to_thread.run_sync(work, limiter=limiter)
        return cls(sink, queue, letters, queue.figures(), limiter)

    async def close(self) -> None:
        """Let others have it."""
        await anyio.to_thread.run_sync(self.queue.close, limiter=self._limiter)

    async def pack(self, batch: Batch) -> list[Frame]:
        """A batch as frames."""
        return await self._in_thread(lambda: pack(batch, self.sink.most_events))

    async def append(self, frames: Sequence[Frame], checkpoint: Checkpoint, *, drop_oldest: bool = False) -> int:
        """See `Buffer.append`."""
        return await self._in_thread(lambda: self.queue.append(frames, checkpoint, drop_oldest=drop_oldest))

    async def claim(self) -> Claim | None:
        """The next batch, if there is one."""
        return await self._in_thread(lambda: self.queue.claim(self.sink.most_events, MOST_WEIGHT))

    async def done(self, claim: Claim) -> None:
        """It never comes again."""
        await self._in_thread(lambda: self.queue.done(claim))

    async def lay_aside(self, batch: Batch, reasons: Sequence[str], batch_id: str, at: datetime) -> int:
        """Among the dead letters; how many of those went to make room."""
        return await self._in_thread(lambda: self.letters.write(batch, reasons, batch_id, at))

    async def requeue(self) -> int:
        """All dead letters into the queue again, a file at a time; how many events. Raises BufferFull, InputError."""
        return await self._in_thread(lambda: requeue(self.queue, self.letters, self.sink.most_events))

    def checkpoint(self) -> Mapping[str, str]:
        """The positions."""
        return {key: position for key, position in self.queue.checkpoint().items() if key != LETTERS}

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        def measured() -> _T:
            try:
                return work()
            except OSError as error:
                raise _unusable(self.letters.directory, error) from error
            finally:
                self.figures = self.queue.figures()

        return await anyio.to_thread.run_sync(measured, limiter=self._limiter)


def requeue(queue: Buffer, letters: Letters, most_events: int) -> int:
    """See `Stock.requeue`. A file goes when its events are in the queue, which remembers with them that it has them:
    a crash in between loses none, and doubles none."""
    _settle(queue, letters)
    count = 0
    for path in letters.files():
        frames = [frame for batch in read(path) for frame in pack(batch, most_events)]
        if frames:
            queue.append(frames, {LETTERS: path.name})
        letters.remove(path)
        count += sum(frame.count for frame in frames)
    _settle(queue, letters)
    return count


def _settle(queue: Buffer, letters: Letters) -> None:
    """Finish what a crash interrupted. Before new letters are written: one of their files may get the same name."""
    taken = queue.checkpoint().get(LETTERS)
    if taken is not None:
        for path in letters.files():
            if path.name == taken:
                letters.remove(path)
        queue.append([], {LETTERS: None})


def letters_directory(sink: Sink, directory: Path) -> Path:
    """Where the dead letters of a sink are; a relative `secondary` begins in the sink's own directory."""
    return directory / (sink.retry.secondary or "dead-letter")


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _unusable(directory: Path, error: OSError) -> StoreError:
    return StoreError("buffer.unusable", directory=directory, reason=error.strerror or str(error))
