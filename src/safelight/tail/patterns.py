"""Which paths are meant: globs, dates in them, and what is left out."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

_DIGITS: Final = {"Y": 4, "j": 3, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2, "y": 2}
_DATE: Final = re.compile("%([" + "".join(_DIGITS) + "])")
"""Directives of strftime that are digits. They match any date: files of yesterday grow past midnight."""


@dataclass(frozen=True)
class Patterns:
    """Paths and globs as configured, and globs of paths or names that are left out."""

    wanted: Sequence[str]
    unwanted: Sequence[str] = ()

    def expanded(self) -> list[str]:
        """With homes, and digits where a date is meant."""
        return [_DATE.sub(_digits, os.path.expanduser(pattern)) for pattern in self.wanted]

    def matching(self) -> Iterator[str]:
        """Paths that exist, of whatever kind."""
        for pattern in self.expanded():
            for path in sorted(glob.iglob(pattern, recursive=True)) if glob.has_magic(pattern) else [pattern]:
                if not self._leaves_out(path) and os.path.lexists(path):
                    yield path

    def covers(self, path: str) -> bool:
        """Whether a file of this name would be found."""
        return any(fnmatch(path, pattern.replace("**/", "*")) for pattern in self.expanded())

    def roots(self) -> set[Path]:
        """The folders in which the search begins."""
        fixed = (Path(pattern.split("*")[0].split("?")[0].split("[")[0]) for pattern in self.expanded())
        return {path if path.is_dir() else path.parent for path in fixed}

    def _leaves_out(self, path: str) -> bool:
        name = os.path.basename(path)
        return any(fnmatch(path, os.path.expanduser(pattern)) or fnmatch(name, pattern) for pattern in self.unwanted)


def _digits(directive: re.Match[str]) -> str:
    return "[0-9]" * _DIGITS[directive[1]]


def folders_of(path: str) -> Iterator[str]:
    """Where it lies; a link lies in one folder, what it leads to in another."""
    yield os.path.dirname(path) or os.curdir
    if os.path.islink(path):
        yield os.path.dirname(os.path.realpath(path))
