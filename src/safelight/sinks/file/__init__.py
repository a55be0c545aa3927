"""Events as lines in files: rotated by size and by day, compressed, thinned out."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import anyio
import anyio.from_thread
import anyio.to_thread
from pydantic import AfterValidator, Field

from ...batch import Batch
from ...errors import SinkError
from ...processors.parse import Timezone
from ...units import Duration, Size
from .. import MB, Connection, Refusal, Settings, Sink
from ..rendering import joined, ndjson, readable
from .commit import Commits
from .rotation import Keeping, rotate_if_due, tidy
from .template import Template

TIDY_EVERY_S: Final = 3600.0
"""Finished files are looked for this often, and after each rotation."""

_T = TypeVar("_T")
log = logging.getLogger("safelight")


class Keep(Settings):
    """`keep = { files = 14, age = "30d" }`: which finished files stay; by default all."""

    files: int | None = Field(default=None, ge=0)
    """At most so many finished ones, of each service, tag or whatever else the path holds."""
    age: Duration | None = None
    """Finished ones that were last written to longer ago are removed."""


def _template(text: str) -> str:
    Template(text)
    return text


class File(Sink):
    """Writes events into files, a line each. A batch is on the disk before it is done, and stands there once, also when
    Safelight or the machine stops in the middle of it."""

    type: Literal["file"] = "file"
    path: Annotated[str, AfterValidator(_template)]
    """Such as `/var/log/safelight/{service}/%Y-%m-%d.ndjson`: the parts of a date are those of the event, and
    `{service}`, `{instance}`, `{environment}`, `{host}`, `{tag}` and `{level}` are its fields, made safe for a name."""
    format: Literal["ndjson", "line"] = "ndjson"
    """`ndjson`: a JSON object a line, as `safelight query --format ndjson` prints it; `line`: time, level, service and
    message, for eyes."""
    timezone: Timezone | None = None
    """IANA name of the zone whose days and hours the path means, such as `Asia/Shanghai`; UTC by default."""
    size: Size = 100 * MB
    """A file that would become larger is finished: it gets a number, and a new one is begun."""
    daily: bool = True
    """Whether a file is also finished when its day is over, if the path holds no date."""
    compress: Literal["gzip", "zstd", "none"] = "gzip"
    """How finished files are compressed."""
    keep: Keep = Keep()
    """Which finished files stay."""

    example: ClassVar[dict[str, Any]] = {"path": "archive/{service}/%Y-%m-%d.ndjson", "keep": {"age": "30d"}}

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[Connection, None]:
        """Holds the files: a second writer is refused."""
        template = Template(self.path)
        keeping = Keeping(self.compress, self.keep.files, self.keep.age)
        commits = await _done(self.path, lambda: Commits.open(template.root, self.called))
        try:
            async with anyio.create_task_group() as tasks:
                files = Files(self, template, commits, keeping)
                tasks.start_soon(files.tidy)
                yield files
                tasks.cancel_scope.cancel()
        except ExceptionGroup as error:
            raise error.exceptions[0] from error
        finally:
            commits.close()

    @property
    def zone(self) -> tzinfo:
        """Whose days they are."""
        return ZoneInfo(self.timezone) if self.timezone else UTC


class Files:
    """The files of a sink, open for writing."""

    def __init__(self, sink: File, template: Template, commits: Commits, keeping: Keeping) -> None:
        self._sink = sink
        self._template = template
        self._commits = commits
        self._keeping = keeping
        self._finished = anyio.Event()

    async def send(self, batch: Batch, batch_id: str) -> Sequence[Refusal]:
        """On the disk when it returns. Raises SinkError, and then none of it is."""
        if await _done(self._sink.path, lambda: self._write(batch, batch_id)):
            self._finished.set()
        return []

    async def tidy(self) -> None:
        """Compress and remove finished files, until cancelled."""
        while True:
            self._finished = anyio.Event()
            now = datetime.now(self._sink.zone)
            try:
                await anyio.to_thread.run_sync(
                    tidy, self._template, self._keeping, now, anyio.from_thread.check_cancelled
                )
            except OSError as error:  # they stay as they are until the next time
                log.warning("%s: %s", self._sink.path, error.strerror or error)
            with anyio.move_on_after(TIDY_EVERY_S):
                await self._finished.wait()

    def _write(self, batch: Batch, batch_id: str) -> bool:
        """Whether a file was finished."""
        with self._keeping.writing:
            return self._written(batch, batch_id)

    def _written(self, batch: Batch, batch_id: str) -> bool:
        if batch_id == self._commits.last:
            return False  # it was written, and we stopped before the queue knew
        render = ndjson if self._sink.format == "ndjson" else _readable
        now = datetime.now(self._sink.zone)
        contents = {path: render(part) for path, part in self._template.split(batch, self._sink.zone, now)}
        daily = self._sink.daily and not self._template.dated
        rotated = [
            rotate_if_due(path, len(content), self._sink.size, now.date() if daily else None, self._sink.zone)
            for path, content in contents.items()
        ]
        self._commits.write(batch_id, contents)
        return any(rotated)


def _readable(batch: Batch) -> bytes:
    return joined(readable(batch))


async def _done(path: str, work: Callable[[], _T]) -> _T:
    try:
        return await anyio.to_thread.run_sync(work)
    except OSError as error:
        where = error.filename or path
        raise SinkError("sinks.file_unwritable", path=where, reason=error.strerror or str(error)) from error
