"""No more than so many events a second, from each."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated, Any, ClassVar, Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ..batch import Batch
from .choosing import Choosing
from .only import Selection
from .paths import values
from .rates import Rate, by_second, imported, per_second

_NOTHING: Final = pa.scalar("", pa.string())
_BETWEEN: Final = pa.scalar("\0", pa.string())
_YES: Final = pa.scalar(True, pa.bool_())  # noqa: FBT003
_ROUNDING: Final = 1e-9  # ten times 0.1 is a whole token

MOST_KEYS: Final = 10_000
"""Those that are counted apart; beyond that, who was silent longest begins again with a full bucket."""


class Limit(Choosing):
    """Let only so many events a second through, each source, service or user counted for itself; what comes beyond
    that is dropped and counted. It looks at no level: name in `where` what may be dropped, such as `level:<ERROR`."""

    type: Literal["limit"] = "limit"
    rate: Rate
    """How many events, such as `100/s`, `6000/m` or `1000/h`, by the time at which they arrive."""
    burst: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """How many may come at once after a quiet time; by default as many as in a second, and at least 1."""
    by: tuple[str, ...] = ("source",)
    """What is counted apart: fields such as `source`, `tag`, `service` or `user_id`, or paths into `attributes`. `[]`
    counts everything that comes through one source together."""

    example: ClassVar[dict[str, Any]] = {"rate": "100/s", "burst": 1000, "by": ["source"]}

    def choice(self) -> Selection:
        """A bucket of tokens for each key, filled by the time that passes between arrivals. Imported files are
        history, not a flood: they pass."""
        buckets = _Buckets(per_second(self.rate), self.burst)

        def stays(batch: Batch) -> pa.BooleanArray:
            if not len(batch) or imported(batch):
                return pa.repeat(_YES, len(batch))
            keys = _keys(batch, self.by)
            parts = [(second, rows, keys if rows is None else keys.take(rows)) for second, rows in by_second(batch)]
            over = [(rows, theirs, buckets.over(theirs, second)) for second, rows, theirs in parts]
            if not any(left for _, _, left in over):
                return pa.repeat(_YES, len(batch))
            return _passing(len(batch), over)

        return stays


def _keys(batch: Batch, names: tuple[str, ...]) -> pa.DictionaryArray:
    """What each event is counted under."""
    columns = [pc.fill_null(values(batch, name), _NOTHING) for name in names]
    if not columns:
        joined = pa.repeat(_NOTHING, len(batch))
    else:
        joined = columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _BETWEEN)
    return joined.dictionary_encode()


def _passing(rows: int, over: list[tuple[pa.Array | None, pa.DictionaryArray, dict[int, int]]]) -> pa.BooleanArray:
    """The first of each key, as many as there is room for."""
    passes = [True] * rows
    for places, keys, left in over:
        if left:
            codes = keys.indices.to_pylist()
            for place, code in zip(range(rows) if places is None else places.to_pylist(), codes, strict=True):
                if code in left:
                    passes[place] = left[code] > 0
                    left[code] -= 1
    return pa.array(passes, pa.bool_())


class _Buckets:
    """Tokens by key. A bucket holds at most `burst`, and is full at first."""

    def __init__(self, per_second: float, burst: int | None) -> None:
        self._per_second = per_second
        self._size = float(burst or max(1, math.ceil(per_second)))
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def over(self, keys: pa.DictionaryArray, second: int) -> dict[int, int]:
        """Of which keys not all may pass in this second, by their place in the dictionary, and how many may."""
        names, left = keys.dictionary.to_pylist(), {}
        for found in pc.value_counts(keys.indices).to_pylist():
            code, count = found["values"], found["counts"]
            taken = self._take(names[code], second, count)
            if taken < count:
                left[code] = taken
        return left

    def _take(self, key: str, second: int, count: int) -> int:
        left, filled = self._left.pop(key, (self._size, second))
        if second > filled:
            left, filled = min(self._size, left + (second - filled) * self._per_second), second
        taken = min(count, math.floor(left + _ROUNDING))
        self._left[key] = (left - taken, filled)
        if len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return taken
