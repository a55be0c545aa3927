"""Names and users of processes, as far as this process may know them."""

from __future__ import annotations

from contextlib import suppress

import psutil

from .card import Holder


def holder(pid: int, vram_mb: float | None) -> Holder:
    """A process that holds memory on a card."""
    name = user = None
    with suppress(psutil.Error, OSError):  # gone meanwhile, another user's, or of another pid namespace
        process = psutil.Process(pid)
        name = process.name()
        user = process.username()
    return Holder(pid=pid, name=name, vram_mb=vram_mb, user=user)
