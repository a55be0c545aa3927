"""What we know of an application: the grammar of its logs, by the `service` that a source names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from . import comfyui, generic
from .grammar import Grammar


@dataclass(frozen=True)
class Profile:
    """One application. `name` is what a configuration writes as `service`."""

    name: str
    grammar: Grammar


GENERIC: Final = Profile("generic", generic.GRAMMAR)

_PROFILES: Final = {known.name: known for known in (GENERIC, Profile("comfyui", comfyui.GRAMMAR))}


def profile(name: str | None) -> Profile:
    """The profile of this service, whatever the case; `generic` for those we do not know."""
    return _PROFILES.get((name or "").lower(), GENERIC)
