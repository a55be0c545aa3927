"""Follow log files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, ClassVar, Literal

import anyio.to_thread
from pydantic import Field

from ..services import profile
from ..services.joiner import Joiner
from ..tail.batches import raw_batch
from ..tail.tailer import Tailer
from ..tail.watch import Watch
from . import Arrival, Report, Source, unreadable


class File(Source):
    """Log files by path or glob, followed through rename rotation; each line once, also across a crash."""

    type: Literal["file"] = "file"
    paths: tuple[str, ...] = Field(min_length=1)
    """Paths or globs (`*`, `?`, `[...]`, `**`); `~` is your home."""
    exclude: tuple[str, ...] = ()
    """Globs of paths or names to leave out."""
    read_from: Literal["start", "end"] = "start"
    """Where to begin in files that exist at the first start; those that appear later are read from their start."""

    example: ClassVar[dict[str, Any]] = {"paths": ["/var/log/comfyui/*.log"], "service": "comfyui"}

    @property
    def name(self) -> str:
        """Its paths."""
        return ", ".join(self.paths)

    async def arrivals(self, resume: Mapping[str, str], report: Report) -> AsyncGenerator[Arrival, None]:
        """New records of all files, in steps of at most 4 MB."""
        grammar = profile(self.service).grammar
        tailer = Tailer(
            self.paths,
            lambda: Joiner(grammar),
            resume,
            exclude=self.exclude,
            read_from=self.read_from,
            on_trouble=partial(unreadable, report),
            on_recovered=report.recovered,
        )
        constants = {"tag": self.tag, "service": self.service, "instance": self.instance}
        try:
            with Watch() as watch:
                while True:
                    step = await anyio.to_thread.run_sync(tailer.step)
                    report.reading(tailer.following)
                    if step is not None:
                        yield Arrival(raw_batch(step.records, constants), step.positions)
                        continue
                    watch.folders(tailer.folders())
                    await watch.changed(tailer.due_s())
        finally:
            tailer.close()
