"""Times and sizes as a terminal shows them: three figures, and a unit that everybody knows."""

from __future__ import annotations

from . import say


def lasting(ms: float | None) -> str:
    """A duration given in milliseconds: `12 ms`, `8.6 s`, `3 min 05 s`, `2 h 10 min`; nothing for None."""
    if ms is None:
        return ""
    if ms < 999.5:
        return f"{ms:.0f} ms"
    seconds = ms / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return say("cli.minutes", minutes=whole // 60, seconds=f"{whole % 60:02d}")
    minutes = round(seconds / 60)
    return say("cli.hours", hours=minutes // 60, minutes=f"{minutes % 60:02d}")


def memory(mb: float | None) -> str:
    """Memory given in MB of 2**20 bytes: `640 MB`, `22.6 GB`; nothing for None."""
    if mb is None:
        return ""
    return f"{mb:.0f} MB" if mb < 1024 else f"{mb / 1024:.1f} GB"


def moment(written: str | None) -> str:
    """A time of the API, UTC, to the second."""
    return f"{written[:19]}Z" if written else ""
