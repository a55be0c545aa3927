"""What a user asked for, where it runs, and what of its text is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .studio import Instance, User
from .troubles import Trouble
from .workflows import Workflow

LONG_TEXT: Final = 1000
"""Characters from which encoding a text takes eight times as long."""
PREVIEW: Final = 50
"""Characters of a text that are shown."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a user asked for, and what is going to happen to it."""

    at: float
    user: User
    workflow: Workflow
    prompt: str
    photo: str
    seed: int
    batch: int = 1
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a job is run. `warm`: its models are on the card and its unchanged nodes are cached."""

    instance: Instance
    start: float
    warm: bool = False
    slow: float = 1.0
    remaining: int = 0
    """Runs in the queue, this one included."""
    number: int = 1
    """Which prompt this is since the instance started."""
    closely: bool = False
    """Whether it is told as it happens, step by step; what lies back is told in fewer readings."""


def text_factor(text: str) -> float:
    """How much longer than usual a text takes to encode."""
    return 8.0 if len(text) > LONG_TEXT else 1.0


def preview(text: str) -> str:
    """What is shown of a text."""
    return text if len(text) <= PREVIEW else text[:PREVIEW] + "…"
