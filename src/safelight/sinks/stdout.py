"""Events on standard output."""

from __future__ import annotations

import os
import select
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final, Literal

import anyio.from_thread
import anyio.to_thread

from ..batch import Batch
from ..errors import SinkError
from . import Connection, Refusal, Sink
from .rendering import joined, ndjson, readable

DESCRIPTOR: Final = 1
AT_ONCE: Final = 4096
"""A pipe that has room takes so many bytes without making us wait (PIPE_BUF, pipe(7))."""
_LOOK_MS: Final = 500


class Stdout(Sink):
    """Prints events, a line each: for containers whose output is collected, and to see what arrives. At least once:
    what a crash cut short is printed again."""

    type: Literal["stdout"] = "stdout"
    format: Literal["ndjson", "line"] = "ndjson"
    """`ndjson`: a JSON object a line, as `safelight query --format ndjson` prints it; `line`: time, level, service and
    message, for eyes."""

    example: ClassVar[dict[str, Any]] = {"format": "line"}

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection, None]:
        """There is nothing to connect to."""
        yield Printing(self.format)


class Printing:
    """Standard output, whoever reads it."""

    def __init__(self, form: str) -> None:
        self._form = form

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """Written when it returns. Raises SinkError when nobody reads any more."""
        content = ndjson(batch) if self._form == "ndjson" else joined(readable(batch))
        try:
            await anyio.to_thread.run_sync(_print, content)
        except OSError as error:
            raise SinkError("sinks.stdout_closed", reason=error.strerror or str(error)) from error
        return []


def _print(content: bytes) -> None:
    """In pieces that do not block, so that a reader who stands still does not keep us from stopping."""
    waiting = select.poll()
    waiting.register(DESCRIPTOR, select.POLLOUT)
    view = memoryview(content)
    while view:
        anyio.from_thread.check_cancelled()
        if waiting.poll(_LOOK_MS):
            view = view[os.write(DESCRIPTOR, view[:AT_ONCE]) :]
