"""Python tracebacks as text: which exception it was, and where.

The form is that of CPython's `traceback` module (Lib/traceback.py), chained exceptions and groups included.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

HEADER: Final = "Traceback (most recent call last):"

CHAINED: Final = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)

_FRAME: Final = re.compile(r'^\s*(?:\|\s*)*File "([^"\n]*)", line (\d{1,9})(?:, in (.*))?$', re.MULTILINE)
_OUTER_HEADER: Final = re.compile(r"^(  \+ Exception Group )?Traceback \(most recent call last\):$", re.MULTILINE)
_EXCEPTION: Final = re.compile(r"([A-Za-z_][\w.]*)(?::(?:\s(.*))?)?$", re.DOTALL)


class Frame(NamedTuple):
    """One step of the way to the exception."""

    file: str
    line: int
    function: str

    @property
    def place(self) -> str:
        """`nodes.py:1579 sample`, with the last folder: short, the same on every machine, and without a home path."""
        return f"{self.short_file}:{self.line} {self.function}"

    @property
    def short_file(self) -> str:
        """The file's name and the folder that holds it."""
        return "/".join(self.file.replace("\\", "/").split("/")[-2:])


class Failure(NamedTuple):
    """What a traceback says."""

    error_type: str | None
    error_message: str | None
    frames: tuple[Frame, ...]


def failure(text: str) -> Failure:
    """The exception that got out, which is the last one of a chain, and the frames it came through.

    `error_type` keeps its module, as printed (`torch.OutOfMemoryError`); both are None when the text ends too early.
    """
    part, group = _last(text)
    if group:
        part = "\n".join(line[4:] for line in part.split("\n") if line.startswith("  | "))
    frames = tuple(Frame(file, int(line), function or "<module>") for file, line, function in _FRAME.findall(part))
    lines = part.strip("\n").split("\n")
    after = next((i for i, line in enumerate(lines) if line[:1] not in {" ", "\t", ""}), None)
    found = _EXCEPTION.match("\n".join(lines[after:]).strip()) if after is not None else None
    if found is None:
        return Failure(None, None, frames)
    return Failure(found[1], (found[2] or "").strip() or None, frames)


def _last(text: str) -> tuple[str, bool]:
    """What follows the last header that is no member of a group, and whether it is a group's."""
    headers = list(_OUTER_HEADER.finditer(text))
    return (text[headers[-1].end() :], headers[-1][1] is not None) if headers else (text, False)
