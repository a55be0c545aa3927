"""A single rule, from the page or for a back-test, checked as the file's rules are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from ..alerts.rule import Rule
from ..locales import text
from .faults import Known, faults
from .mistyped import notes
from .model import Config
from .told import Location, Mistake, mistakes

_PROGRAMS: Final = ("command", "run", "start")
"""Settings of a remedy that name a program."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The rule, or everything that is wrong with it. `warnings`: it works, but perhaps not as meant."""

    rule: Rule | None
    mistakes: tuple[Mistake, ...] = ()
    warnings: tuple[str, ...] = ()


def checked(fields: Mapping[str, Any], config: Config, known: Known, language: str) -> Checked:
    """What `fields` mean, written as in the file, for a rule that is not in it.

    Such a rule names no programs, and its secrets are not resolved: whoever writes here need not be the one who may
    run programs and read files on this machine.
    """
    try:
        rule = Rule.model_validate(dict(fields))
    except ValidationError as error:
        return Checked(None, tuple(mistakes(error, language)))
    wrong = (*faults(rule, known, language), *_programs(fields.get("then"), ("then",), language))
    return Checked(None, wrong) if wrong else Checked(rule, warnings=tuple(_warnings(rule, config, language)))


def _programs(step: Any, at: Location, language: str) -> Iterator[Mistake]:
    """Also in what a step does `else`."""
    for key, value in step.items() if isinstance(step, dict) else enumerate(step) if isinstance(step, list) else ():
        if key in _PROGRAMS and not isinstance(value, dict):
            yield Mistake((*at, key), text("config.rule_program", language, name=key))
        else:
            yield from _programs(value, (*at, key), language)


def _warnings(rule: Rule, config: Config, language: str) -> Iterator[str]:
    named = [channel for channel in config.channels if rule.channels is None or channel.name in rule.channels]
    severity = max(rule.severity, rule.escalate.severity if rule.escalate else 0)
    if not rule.shadow and config.channels and not any(channel.severity <= severity for channel in named):
        yield text("rules.told_to_nobody", language, severity=severity)
    if rule.then and config.remedies.dry_run:
        yield text("rules.repairs_named_only", language)
    yield from (note.said for note in notes(rule, language))
