"""Who still has a file: a living process that writes or reads a spool holds an exclusive lock on a file of it."""

from __future__ import annotations

import fcntl
from pathlib import Path


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock of this file. A file that is not there is nobody's; one that we may not ask
    about is somebody else's, and counts as held."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
