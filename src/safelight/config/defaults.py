"""What is on without being configured."""

from __future__ import annotations

from typing import Final

from ..alerts.rule import Rule
from .model import Config

DEFAULT_RULES: Final = (
    Rule.model_validate({"id": "any-error", "when": "any level:(ERROR OR CRITICAL)", "severity": 2}),
    Rule.model_validate({"id": "error-rate", "when": "more than 10 level:(ERROR OR CRITICAL) over 1h", "severity": 3}),
)


def rules_of(config: Config) -> list[Rule]:
    """The default rules, each replaced by the configuration's of the same id, then the configuration's others."""
    own = {rule.id: rule for rule in config.rules}
    defaults = {rule.id: rule for rule in DEFAULT_RULES} if config.alerts.default_rules else {}
    return list((defaults | own).values())
