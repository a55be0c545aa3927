"""A plain log file of JSON lines that rotates by size and by day, for who wants the file and not the spool."""

from __future__ import annotations

import logging
import os
import time

from .formatter import JSONFormatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 10_000_000
BACKUPS = 5


class JSONFileHandler(logging.FileHandler):
    """`app.log`, and when it would grow beyond `max_bytes` or a new local day begins: `app.log.1` ... `app.log.5`.

    The oldest of `backups` is deleted. Without another formatter it writes `JSONFormatter(**identity)`. As with the
    standard library's handlers, one file belongs to one process. Where a reader keeps the file from being renamed
    (Windows), writing goes on in it and the next record tries again.

    Args:
        filename: its folder is made if missing.
        max_bytes: 0 for no limit.
        backups: 0 keeps none: the file starts anew.
        daily: whether a new day starts a new file.
        identity: `service`, `instance`, `environment`, `fields` for the formatter.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        *,
        max_bytes: int = MAX_BYTES,
        backups: int = BACKUPS,
        daily: bool = True,
        **identity: Any,
    ) -> None:
        path = os.path.abspath(filename)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        super().__init__(path, mode="a", encoding="utf-8", delay=True)
        self.formatter = JSONFormatter(**identity)
        self._max_bytes, self._backups, self._daily = max_bytes, backups, daily
        self._size, self._day = 0, ""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return
        self._size, self._day = found.st_size, _day(found.st_mtime)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes `record`, rotating first if it is due."""
        try:
            line = self.format(record) + self.terminator
            size = len(line.encode("utf-8", "replace"))
            day = _day(record.created) if self._daily else self._day
            if self._size and (day > self._day or 0 < self._max_bytes < self._size + size):
                self._rotate()
            if self.stream is None:
                self.stream = self._open()
            self.stream.write(line)
            self.stream.flush()
            self._size, self._day = self._size + size, max(day, self._day)
        except Exception:  # noqa: BLE001 - as every handler of logging
            self.handleError(record)

    def _rotate(self) -> None:
        if self.stream is not None:
            stream, self.stream = self.stream, None
            stream.close()
        names = [self.baseFilename, *(f"{self.baseFilename}.{number}" for number in range(1, self._backups + 1))]
        try:
            if self._backups == 0:
                os.unlink(self.baseFilename)
            for number in range(self._backups, 0, -1):
                if os.path.exists(names[number - 1]):
                    os.replace(names[number - 1], names[number])
            self._size = 0
        except OSError:
            pass  # somebody holds a file open where that forbids renaming


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))
