"""Who has the directory of a queue, and what its disk refuses."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from ..errors import StoreError, StoreFull, StoreLocked

_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def own(directory: Path) -> int:
    """A descriptor that holds the queue for as long as it is open; the system closes it when the process ends."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreLocked("buffer.locked", directory=directory) from error
    return descriptor


def refused(directory: Path, error: OSError) -> StoreError:
    """An error of the system as ours."""
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        return StoreFull("buffer.no_room", directory=directory, reason=reason)
    return StoreError("buffer.unusable", directory=directory, reason=reason)
