"""The studio's clock: what has happened is told at once, what happens from now on as time passes, faster if wanted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from .happening import Happening

ASLEEP_S: Final = 60.0
"""A machine that slept for longer goes on where it was, instead of making up for it."""


def play(
    happenings: Iterable[Happening],
    tell: Callable[[Happening, float], None],
    wait: Callable[[float], bool],
    *,
    now: float,
    speed: float = 1.0,
    until: float | None = None,
    clock: Callable[[], float] = time.time,
) -> None:
    """Tell each happening with its time in the world, in seconds since 1970: until `now` that of the studio, then
    `speed` times as fast. The duration that a happening speaks of stays as it is.

    `wait` sleeps so many seconds, and says False when it is over. `until` is the last studio time that is told.
    """
    origin = now  # in the world: where the studio's `now` lies
    for happening in happenings:
        if until is not None and happening.at > until:
            return
        moment = happening.at
        if happening.at > now:
            moment = origin + (happening.at - now) / speed
            late = clock() - moment
            if late > ASLEEP_S:
                origin += late
                moment += late
            elif late < 0 and not wait(-late):
                return
        tell(happening, moment)
