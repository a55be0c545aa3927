"""Which rule's alerts keep which other rule's from being told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .alert import Alert
from .rule import Rule


class Inhibition:
    """By rule id. Rules that inhibit each other, in whatever circle, do so in one direction only: the more severe, and
    then the first by name, is the cause. A shadow rule inhibits nothing, as nobody hears of it."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        known = {rule.id: rule for rule in rules}
        reached = {id_: _reached(id_, known) for id_ in known}
        self._causes: dict[str, set[str]] = {}
        for rule in known.values():
            for symptom in rule.inhibit:
                circle = rule.id in reached.get(symptom, set())
                if symptom in known and not rule.shadow and not (circle and _rank(rule) >= _rank(known[symptom])):
                    self._causes.setdefault(symptom, set()).add(rule.id)
        self._inhibiting = {cause for causes in self._causes.values() for cause in causes}

    def causes(self, rule: str) -> set[str]:
        """Rules that inhibit this one."""
        return self._causes.get(rule, set())

    def inhibits(self, rule: str) -> bool:
        """Whether it inhibits any."""
        return rule in self._inhibiting


def same_thing(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether no label that both have differs."""
    return all(other.get(name, value) == value for name, value in one.items())


def cause_of(alert: Alert, firing: Iterable[Alert]) -> Alert | None:
    """The first of the `firing` alerts that is about the same thing."""
    return next((cause for cause in firing if cause.id != alert.id and same_thing(cause.labels, alert.labels)), None)


def _rank(rule: Rule) -> tuple[int, str]:
    return -rule.severity, rule.id


def _reached(start: str, rules: Mapping[str, Rule]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        rule = rules.get(waiting.pop())
        for other in rule.inhibit if rule else ():
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
