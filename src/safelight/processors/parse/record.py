"""A JSON object into the fields of an event: names, aliases, nested forms, values of the wrong type. Never raises."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from ...event import ALIASES, FIELDS, Kind
from ...services.grammar import Fields

_encode: Final = msgspec.json.Encoder().encode

NESTED: Final[dict[str, dict[str, str]]] = {
    "service": {"name": "service"},
    "host": {"name": "host", "hostname": "host"},
    "log": {"level": "level"},
    "error": {"type": "error_type", "message": "error_message", "stack_trace": "traceback"},
    "trace": {"id": "trace_id"},
    "span": {"id": "span_id"},
    "user": {"id": "user_id", "name": "user_id"},
    "event": {"action": "event"},
}
"""Objects of the Elastic Common Schema whose members are fields of ours; what else they hold stays an attribute."""

_PRIORITY: Final = {name: rank for rank, name in enumerate((*FIELDS, *ALIASES))}


def understand(record: dict[str, Any]) -> Fields:
    """The columns of one record. `attributes` is a dict; `timestamp` and `level` are still as written.

    A field given under two names is taken from its own name, or the first alias; the others stay attributes.
    """
    fields: Fields = {}
    rest: dict[str, Any] = {}
    inner = record.get("message", record.get("msg"))
    if isinstance(inner, dict) and inner:
        record = _unwrapped(record, inner, rest)
    for key in sorted(record, key=_rank):
        _place(key, record[key], fields, rest)
    given = record.get("attributes")
    if isinstance(given, dict):
        rest = {**given, **rest}
    elif given is not None:
        rest["attributes"] = given
    if rest:
        fields["attributes"] = rest
    return fields


def _rank(key: str) -> int:
    return _PRIORITY.get(key, len(_PRIORITY))


def _unwrapped(record: dict[str, Any], inner: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    """An event inside `message`: its fields win. What they displace is kept: the outer `event` is the function that
    logged it, anything else goes below `outer`."""
    outer = {key: value for key, value in record.items() if key not in {"message", "msg"}}
    displaced = {key: outer[key] for key in outer.keys() & inner.keys() if outer[key] != inner[key]}
    if "event" in displaced:
        rest["function"] = displaced.pop("event")
    if displaced:
        rest["outer"] = displaced
    return {**outer, **inner}


def _place(key: str, value: Any, fields: Fields, rest: dict[str, Any]) -> None:
    target = ALIASES.get(key, key)
    if target == "attributes":
        return
    if isinstance(value, dict) and key in NESTED:
        members = NESTED[key]
        left = {name: one for name, one in value.items() if not _accept(members.get(name, ""), one, fields)}
        if left:
            rest[key] = left
        return
    known = target in FIELDS and target != "received_at"  # when it arrived is not for the line to say
    if not known or (value is not None and not _accept(target, value, fields)):
        rest[key] = value


def _accept(target: str, value: Any, fields: Fields) -> bool:
    """Put a value into its column in the column's type; False when it does not fit or the column has one."""
    if target in fields or target not in FIELDS:
        return False
    match FIELDS[target]:
        case Kind.NUMBER:
            taken: Any = _number(value)
        case Kind.TIME:
            taken = value if isinstance(value, str | int | float) and not isinstance(value, bool) else None
        case Kind.TEXT if target == "level":
            taken = value if isinstance(value, str | int) and not isinstance(value, bool) else None
        case _:
            taken = value if isinstance(value, str) else None if value is None else _text(value)
    if taken is None:
        return False
    fields[target] = taken
    return True


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    """`true`, `5`, `["a"]`: as JSON; lines of text, such as a traceback given as a list, joined."""
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return "".join(value) if any(line.endswith("\n") for line in value) else "\n".join(value)
    return _encode(value).decode()
