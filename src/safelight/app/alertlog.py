"""`alerts.log`: everything that alerting did, one JSON object a line, for whoever wants it as a file.

Written beside the events in the store, and never in their place: a disk that takes no more lines costs the lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Final

from ..event import ALERTING, Name
from ..note import Note
from ..processors.redact import redact_text
from ..rows import iso

FILE: Final = "alerts.log"
BYTES_MAX: Final = 10 * 1024 * 1024
KEPT: Final = 5
"""The file is put aside as `alerts.log.1` at 10 MB; five of those are kept."""
LOGGED: Final = frozenset({*ALERTING, Name.RULE_FAILED})


class AlertLog:
    """The file in the data directory. Thread-safe; raises nothing."""

    def __init__(self, data: Path, *, now: Callable[[], datetime] | None = None, bytes_max: int = BYTES_MAX) -> None:
        self.path = data / FILE
        self._now = now or (lambda: datetime.now(UTC))
        self._bytes_max = bytes_max
        self._lock = Lock()

    def wrapped(self, note: Note) -> Note:
        """The same note, that writes what is about alerting into the file too."""

        def both(
            event: str,
            /,
            message: str = "",
            level: str = "INFO",
            attributes: Mapping[str, Any] | None = None,
            **columns: Any,
        ) -> None:
            note(event, message, level, attributes, **columns)
            self.write(event, message, level, attributes, **columns)

        return both

    def write(
        self, event: str, message: str, level: str, attributes: Mapping[str, Any] | None = None, **columns: Any
    ) -> None:
        """One line, if the event is about alerting and the disk takes it."""
        if event not in LOGGED:
            return
        said = {"timestamp": iso(self._now()), "event": str(event), "level": level, "message": message}
        line = json.dumps(said | columns | dict(attributes or {}), ensure_ascii=False, default=str)
        line = redact_text(line, paths=False, addresses=False)
        with self._lock, suppress(OSError, ValueError):
            self._append(line.replace("\n", " ").encode("utf-8", "backslashreplace") + b"\n")

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            full = os.fstat(descriptor).st_size + len(line) > self._bytes_max
            if not full:
                os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if full:
            self._put_aside()
            self._begin(line)

    def _begin(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _put_aside(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")  # noqa: PTH105 - a suffix more
        os.replace(self.path, f"{self.path}.1")  # noqa: PTH105
