"""More alerts of one rule than anybody looks at: those beyond FIRING_MAX are counted on one for each service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from .judged import Holding

FIRING_MAX: Final = 1_000
"""Alerts of one rule that fire at once. Beyond it, further ones are counted on one alert for their service."""


def folded(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of the alert that counts for these."""
    return {name: value for name, value in labels.items() if name == "service"}


def fewer(holding: tuple[Holding, ...]) -> tuple[Holding, ...]:
    """All of them; beyond FIRING_MAX those of one service as one, with the sum of their counts."""
    if len(holding) <= FIRING_MAX:
        return holding
    together: dict[frozenset[tuple[str, str]], Holding] = {}
    for one in holding[FIRING_MAX:]:
        labels = folded(one.labels)
        known = together.get(key := frozenset(labels.items()))
        together[key] = replace(one, labels=labels, count=one.count + (known.count if known else 0))
    return (*holding[:FIRING_MAX], *together.values())
