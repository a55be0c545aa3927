"""Which watch judges which condition."""

from __future__ import annotations

from ..condition import (
    Absence,
    Count,
    Emptied,
    Level,
    NewError,
    Share,
    Slower,
    Stalled,
    Statistic,
    Streak,
    Takes,
)
from ..rule import Rule
from . import Watch
from .absence import Silence
from .counting import Counting
from .emptied import Emptying
from .level import Leveling
from .measuring import Measuring
from .new_error import NewGroup
from .sharing import Sharing
from .slower import Slowing
from .stalled import Stalling
from .streak import InARow
from .takes import Taking


def watch_of(rule: Rule) -> Watch | None:
    """The watch of a rule; none for a match, which needs no memory."""
    match rule.when:
        case Count() as condition:
            return Counting(rule, condition)
        case Share() as condition:
            return Sharing(rule, condition)
        case Statistic() as condition:
            return Measuring(rule, condition)
        case Slower() as condition:
            return Slowing(rule, condition)
        case Level() as condition:
            return Leveling(rule, condition)
        case Streak() as condition:
            return InARow(rule, condition)
        case Absence() as condition:
            return Silence(rule, condition)
        case Takes() as condition:
            return Taking(rule, condition)
        case Stalled() as condition:
            return Stalling(rule, condition)
        case Emptied() as condition:
            return Emptying(rule, condition)
        case NewError() as condition:
            return NewGroup(rule, condition)
    return None
