"""What is on without being configured."""

from __future__ import annotations

from typing import Final

from ..alerts.rule import Rule
from ..sources import Source
from ..sources.comfyui import ComfyUI
from ..sources.gpu import Gpu
from ..sources.host import Host
from .model import Config

DEFAULT_RULES: Final = (
    Rule.model_validate({"id": "any-error", "when": "any level:(ERROR OR CRITICAL)", "severity": 2}),
    Rule.model_validate({"id": "stuck", "when": "any event:run_stuck", "severity": 2}),
    Rule.model_validate({"id": "error-rate", "when": "more than 10 level:(ERROR OR CRITICAL) over 1h", "severity": 3}),
)


def rules_of(config: Config) -> list[Rule]:
    """The default rules, each replaced by the configuration's of the same id, then the configuration's others."""
    own = {rule.id: rule for rule in config.rules}
    defaults = {rule.id: rule for rule in DEFAULT_RULES} if config.alerts.default_rules else {}
    return list((defaults | own).values())


def sources_of(config: Config) -> list[Source]:
    """The configuration's sources, then those that are found without it: none of a type that it has.

    Where a log of ComfyUI is read, none is looked for: both would tell of the same failures.
    """
    own = {source.kind() for source in config.sources}
    if any(source.service == "comfyui" for source in config.sources):
        own.add(ComfyUI.kind())
    found = {source.kind(): source for source in (ComfyUI(optional=True), Gpu(), Host())}
    wanted = config.discover.model_dump()
    return [*config.sources, *(source for kind, source in found.items() if wanted[kind] and kind not in own)]
