"""Follow log files."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import anyio.to_thread
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..errors import InputError
from ..processors import WrongSetting
from ..services import multiline, profile
from ..services.joiner import MAX_BYTES, MAX_LINES, Joiner
from ..tail.batches import raw_batch
from ..tail.encoding import encoding
from ..tail.lines import MAX_LINE_BYTES
from ..tail.records import Format, NewJoiner
from ..tail.tailer import Tailer
from ..tail.watch import Watch
from ..units import Duration, Size
from . import Arrival, Report, Source, unreadable
from .headway import Headway

_LINE_BYTES: Final = (1024, 64 * 1024 * 1024)


def _encoding(name: str) -> str:
    try:
        encoding(name)
    except InputError as error:
        raise WrongSetting(error.key, **error.values) from None
    return name


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise WrongSetting("sources.bad_pattern", given=text, reason=error) from None
    return text


def _line_bytes(length: int) -> int:
    least, most = _LINE_BYTES
    if not least <= length <= most:
        raise WrongSetting("sources.max_line", given=length)
    return length


Regex = Annotated[str, AfterValidator(_pattern)]


class Multiline(BaseModel):
    r"""`multiline = { starts = '^\d{4}-', timeout = "1s" }`: which lines belong to one record.

    A record goes on while none of the patterns says that it is over. They are searched for anywhere in a line (`^` is
    its beginning), in Python's regular expressions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    starts: Regex | None = None
    """A record begins with a line that matches."""
    continues: Regex | None = None
    """Only lines that match, and blank ones, go on with the record before them."""
    ends: Regex | None = None
    """A record ends with a line that matches."""
    timeout: Duration = timedelta(seconds=1)
    """A record is complete when nothing followed for so long."""
    max_lines: int = Field(default=MAX_LINES, ge=1, le=100_000)
    """A record of more lines is divided."""
    max_bytes: Size = MAX_BYTES
    """A record of more bytes is divided, between two lines."""

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Self:
        if self.starts is None and self.continues is None and self.ends is None:
            raise WrongSetting("sources.no_pattern")
        return self

    def joiner(self) -> multiline.PatternJoiner:
        """A new one, for one file."""
        starts, continues, ends = (
            None if text is None else re.compile(text) for text in (self.starts, self.continues, self.ends)
        )
        return multiline.PatternJoiner(multiline.Pattern(starts, continues, ends, self.max_lines, self.max_bytes))


class File(Source):
    """Log files by path or glob, followed through every kind of rotation; each line once, also across a crash."""

    type: Literal["file"] = "file"
    paths: tuple[str, ...] = Field(min_length=1)
    """Paths or globs (`*`, `?`, `[...]`, `**`); `~` is your home, and `%Y`, `%m`, `%d`, `%H` stand for the digits of
    any date. Files ending in `.gz` or `.zst` are unpacked and read once as a whole."""
    exclude: tuple[str, ...] = ()
    """Globs of paths or names to leave out, such as `*.gz`."""
    read_from: Literal["start", "end"] = "start"
    """Where to begin in files that exist at the first start; those that appear later are read from their start."""
    ignore_older: Duration | None = None
    """Files that were not written to for so long, such as `7d`, are passed over, unless they were read before."""
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    """What the files are written in: `utf-8`, `gb18030`, `gbk`, `big5`, `shift_jis`, `euc_kr`, `latin-1`, `cp1252`,
    `utf-16-le`, ...; a byte order mark at the head of a file counts more."""
    multiline: Literal["python", "comfyui", "java", "go", "none"] | Multiline | None = None
    """Which lines belong to one record: a language's tracebacks, `none` for a record a line, or patterns; by default as
    the `service` writes."""
    max_line: Annotated[Size, AfterValidator(_line_bytes)] = MAX_LINE_BYTES
    """Longest line, from 1 KB to 64 MB of the file; for longer ones see `long_lines`."""
    long_lines: Literal["cut", "skip"] = "cut"
    """A line over `max_line` is cut there, between two characters, or left out; both are counted."""

    example: ClassVar[dict[str, Any]] = {"paths": ["/var/log/comfyui/*.log"], "service": "comfyui"}

    @property
    def name(self) -> str:
        """Its paths."""
        return ", ".join(self.paths)

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """New records of all files, in steps of at most 4 MB."""
        tailer = Tailer(
            self.paths,
            self._new_joiner(),
            resume,
            exclude=self.exclude,
            read_from=self.read_from,
            on_trouble=partial(unreadable, report),
            on_recovered=report.recovered,
            how=self._format(),
            ignore_older_s=None if self.ignore_older is None else self.ignore_older.total_seconds(),
        )
        constants = {"tag": self.tag, "service": self.service, "instance": self.instance}
        headway = Headway(tailer, report, skips_long=self.long_lines == "skip")
        try:
            with Watch() as watch:
                while True:
                    step = await anyio.to_thread.run_sync(tailer.step)
                    report.reading(tailer.following)
                    headway.tell()
                    if step is not None:
                        report.took(step.size)
                        yield Arrival(raw_batch(step.records, constants), step.positions)
                        continue
                    watch.folders(tailer.folders())
                    await watch.changed(tailer.due_s())
        finally:
            tailer.close()

    def _new_joiner(self) -> NewJoiner:
        chosen = self.multiline
        if isinstance(chosen, Multiline):
            return chosen.joiner
        if chosen is not None and chosen in multiline.LANGUAGES:
            return multiline.LANGUAGES[chosen]
        grammar = profile(chosen or self.service).grammar
        return lambda: Joiner(grammar)

    def _format(self) -> Format:
        pattern = self.multiline if isinstance(self.multiline, Multiline) else None
        return Format(
            encoding(self.encoding),
            self.max_line,
            keep_long=self.long_lines == "cut",
            silence_s=None if pattern is None else pattern.timeout.total_seconds(),
            json_alone=pattern is None,
        )
