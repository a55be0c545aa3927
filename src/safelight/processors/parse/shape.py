"""The fast lane: a decoder typed for the fields that a stream of lines turned out to have.

A `Shape` is a msgspec struct of exactly the keys seen so far, known fields with their type, others with any. One call
in C decodes a line and refuses what has another key or type; those lines are read by `line` instead, which knows
everything and costs two to four times as much. A `Learner` collects their keys and makes the next shape. Whatever was
learnt, both lanes give the same event.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ...event import ALIASES, FIELDS, Kind
from .columns import Columns

MAX_KEYS: Final = 64
"""Keys a shape may have; with more, the most frequent are taken."""

SLOW_ONLY: Final = frozenset(
    {"attributes", "received_at", "error", "log", "trace", "span"},
)
"""Keys that `line` treats in a way of its own."""

NOT_DECODED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_LEARNABLE: Final = re.compile(r'[^\x00-\x1f"\\\ud800-\udfff]{1,100}')  # msgspec compares keys as they are written
_SAMPLE: Final = 32  # lines looked at before the first batch is decoded
_PATIENCE: Final = 32  # lines that miss a shape before another is made, the first time
_MAX_PATIENCE: Final = 16_384
_BLOCK: Final = 256  # lines decoded at once: of 3,000 the first leave the cache, and each takes 2.1 us, not 1.2
_LONG: Final = 64 * 1024  # bytes; longer lines are checked against the limits by `line`
_NESTED: Final = 200  # bytes of attributes, below which there is no room for more levels than are allowed

_TYPES: Final[dict[Kind, Any]] = {Kind.TEXT: str | None, Kind.TIME: str | int | float | None, Kind.NUMBER: float | None}


class Shape:
    """A decoder for lines that have no keys but these."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys = tuple(key for key in dict.fromkeys(keys) if key not in SLOW_ONLY and _LEARNABLE.fullmatch(key))
        fields: list[tuple[str, Any, Any]] = []
        self._targets: dict[str, list[int]] = {}
        self._others: list[int] = []
        for at, key in enumerate(self.keys):
            target = ALIASES.get(key, key)
            if target in FIELDS:
                kind = str | int | None if target == "level" else _TYPES[FIELDS[target]]
                self._targets.setdefault(target, []).append(at)
                fields.append((f"f{at}", kind, None))
            else:
                self._others.append(at)
                fields.append((f"f{at}", Any, msgspec.UNSET))
        names = {f"f{at}": key for at, key in enumerate(self.keys)}
        self._record = msgspec.defstruct("Record", fields, rename=names, forbid_unknown_fields=True, gc=False)
        others = [(f"f{at}", Any, msgspec.UNSET) for at in self._others]
        self._rest = msgspec.defstruct("Rest", others, rename=names, gc=False)
        self._decode = msgspec.json.Decoder(self._record).decode
        self._encode = msgspec.json.Encoder().encode

    def decode(self, lines: list[bytes]) -> tuple[Columns, list[int]]:
        """The columns of the lines that fit, and the rows of those that do not."""
        odd: list[int] = []
        seen: list[list[Any]] = [[] for _ in self.keys]
        for begin in range(0, len(lines), _BLOCK):
            records = self._records(lines[begin : begin + _BLOCK], begin, odd)
            for values, more in zip(seen, zip(*map(msgspec.structs.astuple, records), strict=True), strict=True):
                values.extend(more)
        if max(map(len, lines), default=0) > _LONG:
            odd = sorted({*odd, *(row for row, line in enumerate(lines) if len(line) > _LONG)})
        columns = Columns(len(lines))
        if self.keys and len(odd) < len(lines):
            odd = sorted({*odd, *self._fill(columns, seen)})
        return columns, odd

    def _records(self, lines: list[bytes], begin: int, odd: list[int]) -> list[Any]:
        """One for each line; an empty one for what does not fit, whose row, counted from `begin`, goes into `odd`."""
        records: list[Any] = []
        decoded = map(self._decode, lines)
        while len(records) < len(lines):
            try:
                records.extend(decoded)  # a loop in C, up to the next line that does not fit
            except NOT_DECODED:
                odd.append(begin + len(records))
                records.append(self._record())
        return records

    def _fill(self, columns: Columns, seen: list[list[Any]]) -> set[int]:
        """Move decoded values into columns; the rows that need a closer look are returned."""
        doubtful: set[int] = set()
        for target, places in self._targets.items():
            given = [seen[at] for at in places if any(value is not None for value in seen[at])]
            if len(given) == 1:
                columns.take(target, given[0])
            elif given:
                merged: list[Any] = []
                for row, values in enumerate(zip(*given, strict=True)):
                    several = [value for value in values if value is not None]
                    merged.append(several[0] if several else None)
                    if len(several) > 1:  # a field under two names
                        doubtful.add(row)
                columns.take(target, merged)
        if self._others:
            encode = self._encode
            rest = [encode(other) for other in map(self._rest, *(seen[at] for at in self._others))]
            columns.take("attributes", [None if text == b"{}" else text for text in rest])
            if max(map(len, rest)) > _NESTED:
                doubtful |= {row for row, text in enumerate(rest) if len(text) > _NESTED and _looks_deep(text)}
        return doubtful


class Learner:
    """Makes shapes from what the lines of one source have looked like."""

    def __init__(self) -> None:
        self._shape = Shape()
        self._met: Counter[str] = Counter()
        self._missed = 0
        self._patience = _PATIENCE

    def shape_for(self, lines: list[bytes]) -> Shape:
        """The shape to try on these lines; the first ones are looked at beforehand."""
        if not self._shape.keys:
            decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
            for line in lines[:_SAMPLE]:
                try:
                    self.met(tuple(decode(line)))
                except NOT_DECODED:
                    continue
            if self._missed:
                self._make()
        return self._shape

    def met(self, keys: tuple[str, ...]) -> None:
        """The keys of a record that the shape did not fit."""
        if keys and not SLOW_ONLY.intersection(keys):
            self._met.update(keys[:MAX_KEYS])
            self._missed += 1

    def learn(self) -> None:
        """Make another shape when enough lines missed this one. Each takes twice the patience, for lines that never
        look the same must not cost a shape each time."""
        if self._missed >= self._patience:
            self._patience = min(self._patience * 2, _MAX_PATIENCE)
            self._make()

    def _make(self) -> None:
        wanted = [key for key, _ in self._met.most_common(MAX_KEYS)]
        keys = dict.fromkeys((*self._shape.keys, *wanted))
        if len(keys) > MAX_KEYS:
            keys = dict.fromkeys(wanted)
        if tuple(keys) != self._shape.keys:
            self._shape = Shape(keys)
        self._met.clear()
        self._missed = 0


def _looks_deep(text: bytes) -> bool:
    return text.count(b"[") + text.count(b"{") > 100
