"""The studio's day, in local time: who works when, the slow evening, and the deadline that the demo is opened in."""

from __future__ import annotations

import time
from typing import Final

from .studio import GPU_2, Instance, User

EVENING: Final = (20, 23)
"""Hours in which the card of gpu-2 is too hot, and the campaign's long texts are written."""
NIGHT: Final = (3, 7)
"""Hours in which nobody is there but the program."""
THROTTLED: Final = 1.9
"""How much longer everything takes there."""

RUSH_S: Final = 100 * 60
"""How long before the demo is opened the deadline is felt; `RISE_S` later in full."""
RISE_S: Final = 50 * 60


def hour(moment: float) -> float:
    """0 to 24, local."""
    local = time.localtime(moment)
    return local.tm_hour + local.tm_min / 60


def is_evening(moment: float) -> bool:
    """Whether this is the slow time of the day."""
    return EVENING[0] <= hour(moment) < EVENING[1]


def night(moment: float) -> int | None:
    """Which night this is, as the day of the year; None at other times."""
    return time.localtime(moment).tm_yday if NIGHT[0] <= hour(moment) < NIGHT[1] else None


def heat(instance: Instance, moment: float) -> float:
    """How much longer everything takes for want of cooling; 1 when all is well."""
    return THROTTLED if instance is GPU_2 and is_evening(moment) else 1.0


def rush(moment: float, now: float) -> float:
    """How near the deadline is felt: 0 until 100 minutes before `now`, 1 from 50 minutes before and ever after."""
    return min(max((moment - (now - RUSH_S)) / RISE_S, 0.0), 1.0)


def per_hour(user: User, moment: float, now: float) -> float:
    """How often a user asks for something."""
    at = hour(moment)
    usual = user.per_hour if any(start <= at < end for start, end in user.hours) else 0.0
    return max(usual, user.in_a_rush * rush(moment, now))


def writes_long(user: User, moment: float, now: float) -> bool:
    """Whether the prompt is the whole brief of the campaign: some work on it in the evening, all of them in the end."""
    return rush(moment, now) > 0 or (user.writes_long and is_evening(moment))
