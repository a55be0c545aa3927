"""Fields by the name that people use for them: a column, another spelling of one, or a path into `attributes`.

As in queries, `sampler.steps` is the member `steps` of `sampler`, or else the attribute that is called
`sampler.steps`; `attributes.` may stand in front.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch
from ..event import ALIASES, FIELDS
from .rows import flat

_PREFIX: Final = "attributes."
_NO: Final = pa.scalar(False, pa.bool_())  # noqa: FBT003
_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def column_of(name: str) -> str | None:
    """The column that is called so; None for an attribute."""
    known = ALIASES.get(name, name)
    return known if known in FIELDS else None


def path_of(name: str) -> str:
    """The path of an attribute, without `attributes.`."""
    return name.removeprefix(_PREFIX)


def found(record: dict[str, Any], path: str) -> tuple[dict[str, Any], str] | None:
    """The object that holds what the path leads to, and the name it has there; None when it leads nowhere."""
    *steps, last = path.split(".")
    holder: Any = record
    for step in steps:
        holder = holder.get(step) if isinstance(holder, dict) else None
    if isinstance(holder, dict) and last in holder:
        return holder, last
    return (record, path) if path in record else None


def put(record: dict[str, Any], path: str, value: Any) -> None:
    """Set what the path leads to; objects on the way are made, unless something else stands there."""
    *steps, last = path.split(".")
    holder = record
    for step in steps:
        inner = holder.setdefault(step, {})
        if not isinstance(inner, dict):
            record[path] = value
            return
        holder = inner
    holder[last] = value


def read(text: str | None) -> dict[str, Any] | None:
    """Attributes as an object; None when there are none, or they are none."""
    try:
        return _decode(text) if text else None
    except _ERRORS:
        return None


def written(record: dict[str, Any]) -> str | None:
    """An object as attributes; None when it is empty."""
    return _encode(record).decode() if record else None


def mentions(batch: Batch, path: str) -> pa.BooleanArray:
    """The rows whose attributes may have something there: only these are worth reading."""
    attributes = flat(batch["attributes"])
    if attributes.null_count == len(attributes):
        return pa.repeat(_NO, len(attributes))
    name = _encode(path.rpartition(".")[2]).decode()[1:-1]
    if not name.isascii() or "\\" in name:  # which JSON may write in another way
        return flat(attributes.is_valid())
    return pc.fill_null(pc.match_substring(attributes, name), _NO)


def values(batch: Batch, name: str) -> pa.Array:
    """A field as text, null where an event lacks it: numbers, lists and objects as JSON."""
    column = column_of(name)
    if column is not None:
        given = flat(batch[column])
        return given if pa.types.is_string(given.type) else given.cast(pa.string())
    path = path_of(name)
    mask = mentions(batch, path)
    if not mask.true_count:
        return pa.nulls(len(batch), pa.string())
    texts = [_value(text, path) for text in flat(batch["attributes"]).filter(mask).to_pylist()]
    return pc.replace_with_mask(pa.nulls(len(batch), pa.string()), mask, pa.array(texts, pa.string()))


def _value(text: str | None, path: str) -> str | None:
    record = read(text)
    place = found(record, path) if record else None
    value = place[0][place[1]] if place else None
    return value if isinstance(value, str) or value is None else _encode(value).decode()
