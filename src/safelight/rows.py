"""Events as people and programs read them: flat objects, known fields on top, nulls left out, times as ISO 8601 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc


def iso(moment: datetime) -> str:
    """`2026-11-22T10:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A whole column of UTC microseconds as such text."""
    text = pc.strftime(column.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%S")
    return pc.binary_join_element_wise(text, "Z", "")


def events(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table of stored events. `seq` stays inside; `attributes` is passed on as the JSON it is."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(index, field.name, iso_column(table.column(index)))
    found = []
    for row in table.drop_columns(["seq"] if "seq" in table.column_names else []).to_pylist():
        event = {name: value for name, value in row.items() if value is not None}
        if "attributes" in event:
            event["attributes"] = msgspec.Raw(event["attributes"].encode())
        found.append(event)
    return found


def plain(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of any other answer: columns as named, nulls kept."""
    return [{name: _plain(value) for name, value in row.items()} for row in table.to_pylist()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has neither NaN nor infinities (RFC 8259 §6)
    return value


def dump(value: Any) -> bytes:
    """As JSON, which has neither NaN (it becomes null) nor half of a surrogate pair (it becomes `?`)."""
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except UnicodeEncodeError:  # of a prompt or a workflow, where `\\ud800` may stand
        return msgspec.json.encode(_whole(value), enc_hook=str)


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(name): _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value
