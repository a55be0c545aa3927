"""Where in the file a key stands: TOML parsers tell the value, people want the line."""

from __future__ import annotations

import re
from collections.abc import Sequence


def line_of(text: str, location: Sequence[str | int]) -> int | None:
    """The line, counted from 1, of the deepest part of `location` that can be found.

    `location` is a path such as `("sources", 1, "paths")`: the key `paths` of the second `[[sources]]`.
    """
    names = [part for part in location if isinstance(part, str)]
    number = next((part for part in location if isinstance(part, int)), 0)
    if not names:
        return None
    lines = text.splitlines()
    start, end, best = _table(lines, names[0], number)
    for depth in range(len(names) - 1, 0, -1):
        key = re.compile(rf"(?:^|[\s{{,.])[\"']?{re.escape(names[depth])}[\"']?\s*=")
        for index in range(start, end):
            if key.search(lines[index]):
                return index + 1
    return best


def _table(lines: Sequence[str], name: str, number: int) -> tuple[int, int, int | None]:
    """First and last line of the table's body, and the line of its head."""
    head = re.compile(rf"\s*(?:\[\[?\s*{re.escape(name)}\s*[\].]|{re.escape(name)}\s*=)")
    heads = [index for index, line in enumerate(lines) if head.match(line)]
    if number >= len(heads):
        return 0, len(lines), heads[0] + 1 if heads else None
    start = heads[number]
    next_table = (index for index in range(start + 1, len(lines)) if lines[index].lstrip().startswith("["))
    return start, next(next_table, len(lines)), start + 1
