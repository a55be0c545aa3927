"""What text every event that a filter finds must have: a store may pass by what cannot have it."""

from __future__ import annotations

from .ast import And, Filter, Text


def phrases(condition: Filter) -> tuple[str, ...]:
    """The words and phrases without which `condition` cannot hold. They stand somewhere in an event's free text
    (`fields.TEXTS`), in any case."""
    match condition:
        case Text(value):
            return (value,)
        case And(items):
            return tuple(phrase for item in items for phrase in phrases(item))
    return ()
