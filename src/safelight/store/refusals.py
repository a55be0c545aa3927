"""What the system says no with, as an error that names the remedy."""

from __future__ import annotations

import errno
from typing import Final

from ..errors import StoreError, StoreFull
from .catalog import short

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})


def batch_refused(error: OSError) -> StoreError:
    """Why a batch was not stored."""
    return _refused(error, "store.full", "store.write_failed")


def upkeep_refused(error: Exception) -> StoreError:
    """Why sealing, merging or retention stopped. Whatever was stored stays."""
    return _refused(error, "store.upkeep_full", "store.upkeep_failed")


def _refused(error: Exception, full: str, failed: str) -> StoreError:
    made: StoreError
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        made = StoreFull(full)
    else:
        made = StoreError(failed, reason=getattr(error, "strerror", None) or short(error))
    made.__cause__ = error
    return made
