"""What is on without being configured."""

from __future__ import annotations

from ..alerts.rule import Rule
from ..sources import Source
from .default_rules import ALWAYS, EXPECTED
from .discovered import discovered
from .model import Config


def default_rules(config: Config) -> list[Rule]:
    """The rules that come with Safelight, for what this configuration watches; none where it wants none."""
    if not config.alerts.default_rules:
        return []
    services = dict.fromkeys((source.service or "").lower() for source in config.sources)
    return [*ALWAYS, *(rule for service in services for rule in EXPECTED.get(service, ()))]


def sources_of(config: Config) -> list[Source]:
    """The configuration's sources, then those that are found without it: none of a type that it has."""
    return [*config.sources, *discovered(config.sources, config.discover)]
