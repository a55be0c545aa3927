"""The configuration of an agent: the tables of a server's that have to do with collecting, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ..locales import ENGLISH, text
from ..plugin import Plugin
from ..processors import Processor
from ..sinks import Sink
from ..sources import Source
from .discovered import discovered
from .reading import Reading, in_order
from .sections import Discover, Language, Section, SpoolSection
from .together import faults
from .told import mistakes

ROOMS: Final[dict[str, type[Plugin]]] = {"sources": Source, "processors": Processor, "sinks": Sink}
OF_SERVER: Final = ("server", "store", "alerts", "remedies", "channels", "rules")


class AgentConfig(Section):
    """The whole file of an agent."""

    language: Language = "en"
    """Of what Safelight writes about itself."""
    spool: SpoolSection = SpoolSection()
    discover: Discover = Discover()
    sources: tuple[Source, ...] = ()
    processors: tuple[Processor, ...] = ()
    sinks: tuple[Sink, ...] = ()

    path: Path | None = None
    """The file this came from."""
    warnings: tuple[str, ...] = ()
    """What works but should not stay so, such as a secret written into the file."""
    notes: tuple[str, ...] = ()
    """What is right but perhaps not as meant: a query that asks for a field very like one that there is."""

    def found(self) -> list[Source]:
        """The sources of the file, and those that are watched without it."""
        return [*self.sources, *discovered(self.sources, self.discover)]


def load(
    explicit: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    language: str = ENGLISH,
    *,
    also: Sequence[str] = (),
) -> AgentConfig:
    """The configuration, found as a server's is. Raises ConfigError that lists every mistake. `also`: names of sinks
    that are added to it."""
    reading, raw = Reading.of(explicit, environment, language)
    for name in OF_SERVER:
        if name in raw:
            del raw[name]
            if name in reading.tables:
                reading.mistakes.append(reading.say((name,), text("config.not_of_agent", language, name=name)))
    lists = {room: reading.plugins(room, base, raw.pop(room, [])) for room, base in ROOMS.items()}
    reading.crossed(faults(lists["sources"], lists["processors"], lists["sinks"], agent=True, also=also))
    sections: AgentConfig | None = None
    try:
        sections = AgentConfig.model_validate(raw)
    except ValidationError as error:
        reading.mistakes += map(reading.remark, mistakes(error, language))
    if reading.mistakes or sections is None:
        reading.refuse()
    return sections.model_copy(
        update={
            **{room: tuple(entries) for room, entries in lists.items()},
            "path": reading.path,
            "warnings": in_order(reading.warnings),
            "notes": in_order(reading.notes),
        }
    )
