"""What one look at one file gives, and what all files of a tailer have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from .position import Position
from .records import USUAL, Format, NewJoiner


@dataclass(frozen=True)
class Setup:
    """What all files of a tailer have in common."""

    new_joiner: NewJoiner
    room: str
    how: Format = USUAL
    linger_s: float | None = None
    """How long a renamed or deleted file is held after it last grew; `follow.LINGER_S` by default."""
    spare: list[bytes] = field(default_factory=list)
    """What was read last, of whichever file. Freed before the next is read, its pages would go back to the system and
    be faulted in again: 0.60 instead of 0.45 CPU-s for 350 MB."""


@dataclass(frozen=True, slots=True)
class Records:
    """Complete records of one file, and the offset at which each begins."""

    path: str
    """As text, see `shown`."""
    prefix: str
    texts: list[bytes]
    starts: list[int]

    def ids(self) -> list[str]:
        """Stable ids: what is read again after a crash is the same event (store invariant 5)."""
        return [f"{self.prefix}{start:012x}" for start in self.starts]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one look at one file gave."""

    records: Records
    size: int
    """Bytes that were read for it."""
    position: Position
    """Up to where every record was handed out."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How far one file is read."""

    path: str
    size: int
    """Bytes that it has, without NULs that may still be written."""
    offset: int
    """Bytes of it that were handed out."""
    lag_s: float
    """How long what is not handed out yet has been waiting; 0 when nothing is."""
    cut: int
    """Lines over the limit, since it is followed."""
    nul_runs: int
    """Runs of NULs that were left out, since it is followed."""
