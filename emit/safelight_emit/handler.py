"""Records of the standard `logging`, sent to the spool."""

from __future__ import annotations

import logging

from .emit import append
from .formatter import record_fields


class SpoolHandler(logging.Handler):
    """Appends every record to the spool, with the fields that `JSONFormatter` writes; a formatter is not used.

    Never blocks and never raises, prints or logs. Process fields come from `configure`.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Queues `record`."""
        try:
            append(None, record.levelname, record_fields(record), int(record.created * 1e9))
        except Exception:  # noqa: BLE001, S110 - logging must not stop the host; append itself notes its own failures
            pass
