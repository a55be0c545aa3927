"""What cannot be read, told once, and told again when it can."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from .position import shown


class Troubles:
    """Remembers what was told. `on_trouble(path, reason)` hears of each trouble, `on_recovered(path)` of its end."""

    def __init__(self, on_trouble: Callable[[str, str], None], on_recovered: Callable[[str], None]) -> None:
        self._on_trouble = on_trouble
        self._on_recovered = on_recovered
        self._told: dict[str, str] = {}

    def tell(self, path: str, error: BaseException) -> None:
        """It cannot be read, in the operating system's words where it says so."""
        reason = getattr(error, "strerror", None) or str(error)
        if self._told.get(path) != reason:
            self._told[path] = reason
            self._on_trouble(shown(path), reason)

    def over(self, path: str) -> None:
        """It can be read."""
        if self._told.pop(path, None) is not None:
            self._on_recovered(shown(path))

    def look_into(self, folders: Iterable[Path]) -> None:
        """A folder that may not be listed looks empty."""
        for folder in folders:
            try:
                with os.scandir(str(folder)):
                    pass
            except PermissionError as error:
                self.tell(str(folder), error)
            except OSError:
                continue
            else:
                self.over(str(folder))
