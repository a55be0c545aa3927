"""Which words a row group has in its free text. A phrase with another word is not looked for there.

Log lines repeat themselves: 131,072 of them have some hundred words once numbers are left out, and finding those takes
0.3 to 0.5 µs an event. A phrase that occurs nowhere then costs 10M events 3 ms instead of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..query.fields import TEXTS

MAX_BYTES: Final = 32_768
"""Of the words of a row group. Where there are more, every phrase is looked for."""

_DIGITS: Final = b"0123456789"
_WORDS_AND_LINES: Final = bytes(
    code + 32 if 65 <= code <= 90 else code if 97 <= code <= 122 or code >= 128 or code == 10 else 32
    for code in range(256)
)
"""ASCII letters without case and all beyond ASCII stay; anything else parts words."""

_FOLD_TO_ASCII: Final = ("ſ".encode(), "\N{KELVIN SIGN}".encode())
"""Equal to s and k in a search without case. Nobody writes them; where somebody did, every phrase is looked for."""


def vocabulary(events: pa.Table) -> str | None:
    """The distinct words of all free text, one a line; None when there are too many."""
    found: set[bytes] = set()
    for name in TEXTS:
        lines = _lines(events[name])
        if any(letter in lines for letter in _FOLD_TO_ASCII):
            return None
        # Most lines differ in their numbers only: as a set of lines they are a third of the work.
        different = set(lines.translate(_WORDS_AND_LINES, _DIGITS).split(b"\n"))
        found.update(b" ".join(different).split())
    joined = b"\n".join(sorted(found))
    return joined.decode() if len(joined) <= MAX_BYTES else None


def needed(phrases: Iterable[str]) -> tuple[str, ...]:
    """The words, or parts of words, that text with all these phrases has, whatever the case."""
    parts: list[str] = []
    for phrase in phrases:
        # Beyond ASCII only letters without case, such as Chinese, look the same in every text that has them.
        alike = "".join(letter if letter.isascii() or letter.lower() == letter.upper() else " " for letter in phrase)
        parts += alike.encode().translate(_WORDS_AND_LINES, _DIGITS).decode().split()
    return tuple(parts)


def may_hold(words: str | None, parts: Sequence[str]) -> bool:
    """Whether text of these words can hold all the parts. Never false for text that does."""
    return words is None or all(part in words for part in parts)


def _lines(column: pa.ChunkedArray) -> bytes:
    """All texts of a column, one a line."""
    if column.null_count == len(column):
        return b""
    texts = pa.concat_arrays(column.drop_null().chunks)
    everything = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    return bytes(pc.binary_join(everything, "\n")[0].as_buffer().to_pybytes())
