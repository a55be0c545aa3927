"""What is wrong with entries that are right by themselves: sinks of one name, routes to nowhere, no place to listen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final

from ..errors import ConfigError, SafelightError
from ..processors import Processor
from ..sinks import Sink
from ..sources import Source
from .told import Location

LISTED_MAX: Final = 8
MOUNTED: Final = ("http", "elasticsearch_bulk", "otlp")
"""Sources that without `listen` answer on the server's own port."""

Fault = tuple[Location, SafelightError]


def faults(
    sources: Sequence[Source],
    processors: Sequence[Processor],
    sinks: Sequence[Sink],
    *,
    agent: bool = False,
    also: Sequence[str] = (),
) -> Iterator[Fault]:
    """Each with its place, counted as the entries are. `also`: sinks that the command line adds."""
    yield from _of_sinks(sinks)
    yield from _of_routes(processors, [*(sink.called for sink in sinks), *also])
    seen: set[str] = set()
    for number, source in enumerate(sources):
        kind = source.kind()
        if kind in MOUNTED and getattr(source, "listen", None) is None:
            if agent:
                yield ("sources", number), ConfigError("config.needs_listen", type=kind)
            elif kind in seen:
                yield ("sources", number), ConfigError("config.mounted_twice", type=kind)
            seen.add(kind)


def _of_sinks(sinks: Sequence[Sink]) -> Iterator[Fault]:
    names: set[str] = set()
    paths: set[str] = set()
    for number, sink in enumerate(sinks):
        if sink.called.lower() in names:  # a file system may not tell them apart
            yield ("sinks", number, "name"), ConfigError("config.sink_twice", name=sink.called)
        names.add(sink.called.lower())
        path: Any = getattr(sink, "path", None) if sink.kind() == "file" else None
        if path in paths:
            yield ("sinks", number, "path"), ConfigError("config.path_twice", path=path)
        elif path is not None:
            paths.add(path)


def _of_routes(processors: Sequence[Processor], names: Sequence[str]) -> Iterator[Fault]:
    for number, processor in enumerate(processors):
        to: Any = getattr(processor, "to", ()) if processor.kind() == "route" else ()
        for place, name in enumerate(to):
            if name not in names:
                alike = get_close_matches(name, names, n=LISTED_MAX, cutoff=0.5)
                listed = [*alike, *(each for each in names if each not in alike)][:LISTED_MAX]
                key = "config.route_to" if names else "config.route_to_none"
                yield ("processors", number, "to", place), ConfigError(key, name=name, known=", ".join(listed))
