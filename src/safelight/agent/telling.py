"""An agent answers nobody: it writes down how it is doing, for `safelight doctor` to read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import msgspec

from ..paths import user_data

FILE: Final = "status.json"
"""In the data directory."""
EVERY_S: Final = 5.0


async def tell(data: Path, status: Callable[[], dict[str, Any]]) -> None:
    """Until cancelled. A disk without room is for the queues to complain of."""
    while True:
        shown = msgspec.json.encode(status())
        with suppress(OSError):
            await anyio.to_thread.run_sync(_write, data / FILE, shown)
        await anyio.sleep(EVERY_S)


def told(data: Path) -> dict[str, Any] | None:
    """What an agent wrote down last; None when there is no such thing."""
    try:
        return msgspec.json.decode((data / FILE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return None


def usual_place() -> Path:
    """The data directory of an agent that was given none: a server may run beside it."""
    return user_data() / "agent"


def _write(path: Path, content: bytes) -> None:
    """Whoever reads meanwhile gets the one before; only the owner does."""
    aside = path.with_suffix(".part")
    aside.touch(mode=0o600)
    aside.write_bytes(content)
    aside.replace(path)
