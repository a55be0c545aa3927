"""Constants beside the attributes that events have. Text is joined, not parsed, wherever that comes to the same."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_encode: Final = msgspec.json.Encoder().encode
_NO: Final = pa.scalar(False, pa.bool_())  # noqa: FBT003


def merged(given: Any, extra: dict[str, Any], *, only_missing: bool) -> Any:
    """The constants beside what is there; only objects that have one of the names are parsed."""
    text = _encode(extra).decode()
    alone, tail, nothing = (pa.scalar(part, pa.string()) for part in (text, "," + text[1:], ""))
    if given.null_count == len(given):
        return pa.repeat(alone, len(given))
    opened = pc.binary_slice(given.view(pa.binary()), 0, -1).view(pa.string())
    both = pc.fill_null(pc.binary_join_element_wise(opened, tail, nothing), alone)
    names = "|".join(re.escape(_encode(name).decode()) for name in extra)
    clash = pc.fill_null(pc.match_substring_regex(given, rf"^\{{\s*\}}$|{names}"), _NO)
    if not pc.any(clash).as_py():
        return both
    parsed = [_both(text, extra, only_missing=only_missing) for text in given.filter(clash).to_pylist()]
    return pc.replace_with_mask(both, clash, pa.array(parsed, pa.string()))


def _both(text: str, extra: dict[str, Any], *, only_missing: bool) -> str:
    given = msgspec.json.decode(text)
    return _encode({**extra, **given} if only_missing else {**given, **extra}).decode()
