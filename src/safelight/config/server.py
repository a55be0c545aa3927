"""The configuration of a server: the whole file, every mistake told at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from ..alerts.rule import Rule
from ..channels import Channel
from ..locales import ENGLISH, text
from ..paths import is_loopback
from ..plugin import Plugin
from ..processors import Processor
from ..sinks import Sink
from ..sources import Source
from .default_rules import KNOWN
from .faults import Known, faults
from .model import Config, Place
from .reading import Reading, Remark, hides, in_order
from .together import faults as together
from .told import mistakes

ROOMS: Final[dict[str, type[Plugin]]] = {
    "sources": Source,
    "processors": Processor,
    "sinks": Sink,
    "channels": Channel,
}
FORGIVING: Final = {"channels": "name", "rules": "id"}
"""Lists in which a bad entry is left out and named, and the key that tells its entries apart; anywhere else a mistake
refuses to start."""


def load(explicit: Path | None = None, environment: Mapping[str, str] = os.environ, language: str = ENGLISH) -> Config:
    """The configuration, from the file `find` finds (or from nothing) and `SAFELIGHT_SECTION__KEY` variables.

    Raises ConfigError that lists every mistake, a line each, with its place and what to do.
    """
    reading, raw = Reading.of(explicit, environment, language)
    return _Server(reading).config(raw)


@dataclass
class _Server:
    """What the file of a server holds."""

    reading: Reading

    def config(self, raw: dict[str, Any]) -> Config:
        reading = self.reading
        reading.forgiving, reading.hides = FORGIVING, _hides
        channels, rules = raw.get("channels", []), raw.pop("rules", [])
        lists = {room: reading.plugins(room, base, raw.pop(room, [])) for room, base in ROOMS.items()}
        reading.crossed(together(lists["sources"], lists["processors"], lists["sinks"]))
        known = Known(_named(channels, "name"), _named(rules, "id") | KNOWN)
        lists["rules"] = reading.entries(
            "rules", rules, lambda _: Rule, check=lambda rule: faults(rule, known, reading.language)
        )
        sections: Config | None = None
        try:
            sections = Config.model_validate(raw)
        except ValidationError as error:
            reading.mistakes += map(reading.remark, mistakes(error, reading.language))
        if reading.mistakes or sections is None:
            reading.refuse(*self._host(raw))
        return sections.model_copy(
            update={
                **{room: tuple(entries) for room, entries in lists.items()},
                "path": reading.path,
                "places": {rule.id: Place(*reading.spots[rule.id]) for rule in lists["rules"]},
                "left_out": in_order(reading.left_out),
                "warnings": in_order(reading.warnings),
                "notes": in_order(reading.notes),
            }
        )

    def _host(self, raw: dict[str, Any]) -> Iterator[Remark]:
        """Not refused here, because the command line may name another one; but told with the rest."""
        server = raw.get("server")
        host = server.get("host") if isinstance(server, dict) else None
        if isinstance(host, str) and not is_loopback(host):
            said = text("serve.not_loopback", self.reading.language, host=host)
            yield self.reading.say(("server", "host"), said)


def _hides(cls: type[BaseModel]) -> Callable[[str], bool]:
    """A channel's own fields are secrets, or part of one."""
    return (lambda name: name not in Channel.model_fields) if issubclass(cls, Channel) else hides(cls)


def _named(raw: Any, key: str) -> frozenset[str]:
    """What the entries of a list are called, also those that have mistakes."""
    entries = raw if isinstance(raw, list) else []
    return frozenset(str(entry[key]) for entry in entries if isinstance(entry, dict) and key in entry)
