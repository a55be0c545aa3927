"""Where in the file a key stands: TOML parsers tell the value, people want the line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{},]')
"""What matters inside a list: texts and remarks, in which a bracket is none."""


def line_of(text: str, location: Sequence[str | int]) -> int | None:
    """The line, counted from 1, of the deepest part of `location` that can be found.

    `location` is a path such as `("sources", 1, "paths")`: the key `paths` of the second `[[sources]]`; or
    `("rules", 0, "then", 1, "restart", "max")`, inside the second entry of a list.
    """
    names = [part for part in location if isinstance(part, str)]
    number = next((part for part in location if isinstance(part, int)), 0)
    if not names:
        return None
    lines = text.splitlines()
    start, end, best = _table(lines, names[0], number)
    for key, entry in pairwise(location[2:]):
        if isinstance(key, str) and isinstance(entry, int):
            start, end = _entry(lines, start, end, key, entry)
            best = start + 1
    for depth in range(len(names) - 1, 0, -1):
        found = _line_with(lines, names[depth], start, end)
        if found is not None:
            return found + 1
    return best


def _line_with(lines: Sequence[str], name: str, start: int, end: int) -> int | None:
    key = re.compile(rf"(?:^|[\s{{,.])[\"']?{re.escape(name)}[\"']?\s*=")
    return next((index for index in range(start, end) if key.search(lines[index])), None)


def _table(lines: Sequence[str], name: str, number: int) -> tuple[int, int, int | None]:
    """First and last line of the table's body, and the line of its head. Tables inside it belong to it."""
    whole = re.compile(rf"\s*\[\[\s*{re.escape(name)}\s*\]\]")
    inner = re.compile(rf"\s*\[\[?\s*{re.escape(name)}\s*\.")
    head = re.compile(rf"\s*(?:\[\[?\s*{re.escape(name)}\s*[\].]|{re.escape(name)}\s*=)")
    heads = [index for index, line in enumerate(lines) if whole.match(line)]
    heads = heads or [index for index, line in enumerate(lines) if head.match(line)]
    if number >= len(heads):
        return 0, len(lines), heads[0] + 1 if heads else None
    start = heads[number]
    next_table = (
        index
        for index in range(start + 1, len(lines))
        if lines[index].lstrip().startswith("[") and not inner.match(lines[index]) and _is_head(lines[index])
    )
    return start, next(next_table, len(lines)), start + 1


def _is_head(line: str) -> bool:
    """Whether a line that begins with a bracket is the head of a table, and no entry of a list of lists."""
    return re.fullmatch(r"\s*\[\[?[^\[\],={}]+\]\]?\s*(?:#.*)?", line) is not None


def _entry(lines: Sequence[str], start: int, end: int, key: str, number: int) -> tuple[int, int]:
    """First and last line of an entry of the list called `key`; where they were, when it cannot be found."""
    at = _line_with(lines, key, start, end)
    if at is None:
        return start, end
    body = "\n".join(lines[at:end])
    depth = entry = 0
    first: int | None = None
    for token in _TOKEN.finditer(body, body.index("=", body.index(key))):
        line = at + body.count("\n", 0, token.start())
        mark = token[0]
        depth += mark in "[{"
        depth -= mark in "]}"
        if depth >= 1 and first is None and entry == number and mark not in "[,#" and not mark.startswith("#"):
            first = line
        if (mark == "," and depth == 1) or depth == 0:
            if entry == number and first is not None:
                return first, line + 1
            entry += 1
        if depth == 0:
            break
    return at, end
