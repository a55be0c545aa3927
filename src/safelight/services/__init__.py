"""What we know of an application, by the `service` that a source names: the grammar of its logs, what tells that it
goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from . import comfyui, ddcolor, generic, idphoto
from .grammar import Grammar

Rules = tuple[Mapping[str, Any], ...]
"""Rules as `[[rules]]` writes them."""


@dataclass(frozen=True)
class Profile:
    """One application. `name` is what a configuration writes as `service`."""

    name: str
    grammar: Grammar
    rules: Rules = ()
    """Always on: they find nothing where there is no such service."""
    expected: Rules = ()
    """On where a source names the service: they tell of what is missing."""


GENERIC: Final = Profile("generic", generic.GRAMMAR)

_PROFILES: Final = {
    known.name: known
    for known in (
        GENERIC,
        Profile("comfyui", comfyui.GRAMMAR),
        Profile(ddcolor.NAME, generic.GRAMMAR, ddcolor.RULES),
        Profile(idphoto.NAME, generic.GRAMMAR, idphoto.RULES, idphoto.EXPECTED),
    )
}


def profile(name: str | None) -> Profile:
    """The profile of this service, whatever the case; `generic` for those we do not know."""
    return _PROFILES.get((name or "").lower(), GENERIC)


def profiles() -> tuple[Profile, ...]:
    """All that we know."""
    return tuple(_PROFILES.values())
