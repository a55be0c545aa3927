"""When to look again: soon while something runs, seldom otherwise, and never so often that the asking itself counts."""

from __future__ import annotations

from typing import Final

BUSY_S: Final = 1.0
IDLE_S: Final = 5.0
WOKEN_S: Final = 0.5
"""Least time between two looks, however often the socket says that something changed."""
SHARE: Final = 5
"""Asking takes at most one part in so many of ComfyUI's time: a queue of 50 MB is not asked for every second."""
_FIRST_RETRY_S: Final = 1.0
_LAST_RETRY_S: Final = 30.0
_SURE: Final = 7  # failures
_STAYS_AWAY: Final = 60  # failures: five minutes


def pause_s(*, busy: bool, took_s: float, busy_s: float = BUSY_S, idle_s: float = IDLE_S) -> float:
    """Until the next look, after one that took `took_s`."""
    return max(busy_s if busy else idle_s, took_s * (SHARE - 1))


def retry_s(failures: int, idle_s: float = IDLE_S) -> float:
    """Until the next try, after so many failures in a row: every second at first, to find out whether it is really
    gone; then 2, 4 s, and as often as when idle, for somebody waits for it; every 30 s when it stays away."""
    if failures > _STAYS_AWAY:
        return max(idle_s, _LAST_RETRY_S)
    return min(_FIRST_RETRY_S * 2.0 ** max(0, failures - _SURE), idle_s)
