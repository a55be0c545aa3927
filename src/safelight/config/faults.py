"""What can be wrong with a rule that is right by its form: what it refers to must exist, its template must be one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from ..alerts.rule import Rule
from ..errors import ConfigError, SafelightError
from ..locales import ENGLISH, catalogue
from .told import Location, Mistake

LISTED_MAX: Final = 8
"""Names that are listed in place of one that nobody knows."""
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
"""What a name of advice looks like; anything else is the advice itself."""
_ADVICE: Final = re.compile(r"failure\.(\w+)\.advice|alerts\.advice\.(\w+)")


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to refer to. A channel or rule that was left out for a mistake of its own counts: it is named."""

    channels: frozenset[str]
    rules: frozenset[str]


def faults(rule: Rule, known: Known, language: str) -> Iterator[Mistake]:
    """Each with its place in the rule, and with what there is instead of what nobody knows."""
    for location, error in _faults(rule, known):
        yield Mistake(location, error.render(language))


def _faults(rule: Rule, known: Known) -> Iterator[tuple[Location, SafelightError]]:
    if rule.text is not None:
        from ..alerts.template import check_template  # noqa: PLC0415 - Jinja takes 40 ms that few rules need

        try:
            check_template(rule.text)
        except ConfigError as error:
            yield ("text",), error
    for number, name in enumerate(rule.channels or ()):
        if name not in known.channels:
            key = "config.rule_channel" if known.channels else "config.rule_channel_none"
            yield ("channels", number), ConfigError(key, name=name, known=_listed(known.channels, name))
    for number, name in enumerate(rule.inhibit):
        if name == rule.id:
            yield ("inhibit", number), ConfigError("config.rule_inhibits_itself", name=name)
        elif name not in known.rules:
            yield ("inhibit", number), ConfigError("config.rule_inhibits", name=name, known=_listed(known.rules, name))
    if rule.advice and _NAME.fullmatch(rule.advice) and rule.advice not in advised():
        yield ("advice",), ConfigError("config.rule_advice", name=rule.advice, known=_listed(advised(), rule.advice))


def advised() -> frozenset[str]:
    """The names for which every language has advice."""
    found = (_ADVICE.fullmatch(key) for key in catalogue(ENGLISH))
    return frozenset(key[1] or key[2] for key in found if key)


def _listed(names: frozenset[str], wanted: str) -> str:
    """All of them; of many, those that are spelled most alike, and some others."""
    alike = get_close_matches(wanted, sorted(names), n=LISTED_MAX, cutoff=0.5)
    listed = [*alike, *(name for name in sorted(names) if name not in alike)]
    return ", ".join([*listed[:LISTED_MAX], *(["…"] if len(listed) > LISTED_MAX else [])])
