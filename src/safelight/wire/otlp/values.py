"""Attributes, ids, times and origins, read alike from protobuf and from JSON."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Final

from .records import Broken

RENAMED: Final = {
    "exception.type": "error_type",
    "exception.message": "error_message",
    "exception.stacktrace": "traceback",
    "enduser.id": "user_id",
    "user.id": "user_id",
    "log.record.uid": "id",
}
"""Names of the semantic conventions that are fields of ours; `event.ALIASES` knows the others.
https://opentelemetry.io/docs/specs/semconv/registry/attributes/"""
ORIGIN: Final = frozenset(
    {"service.name", "service.instance.id", "host.name", "deployment.environment", "deployment.environment.name"}
)
"""Attributes of a resource that are fields of an event."""
_KINDS: Final = (
    "string_value",
    "bool_value",
    "int_value",
    "double_value",
    "array_value",
    "kvlist_value",
    "bytes_value",
)


def plain(value: Any) -> Any:
    """An `AnyValue` as what JSON has; None for an empty one."""
    kind = value.WhichOneof("value") if hasattr(value, "WhichOneof") else _set(value, _KINDS)
    match kind:
        case None:
            return None
        case "int_value":
            return whole(value.int_value)
        case "double_value":
            return figure(value.double_value)
        case "array_value":
            return [plain(item) for item in value.array_value.values]
        case "kvlist_value":
            return {item.key: plain(item.value) for item in value.kvlist_value.values}
        case "bytes_value":
            given = value.bytes_value
            return given if isinstance(given, str) else b64encode(given).decode()
    return getattr(value, kind)


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """Attributes by name, ours where the conventions have one for it."""
    return {RENAMED.get(pair.key, pair.key): plain(pair.value) for pair in pairs}


def figure(value: float | str) -> float | str:
    """A number; as text what JSON has no number for."""
    number = float(value)
    return number if math.isfinite(number) else str(number)


def whole(value: int | str) -> int:
    """An integer, in JSON also as text; 0 for what is none, such as the name of an enumeration's member."""
    try:
        return int(value)
    except ValueError:
        return 0


def optional(message: Any, name: str) -> Any:
    """A member that may be absent; None when it is."""
    if hasattr(message, "HasField"):
        return getattr(message, name) if message.HasField(name) else None
    return getattr(message, name)


def one_of(message: Any, group: str, names: tuple[str, ...]) -> str | None:
    """Which of several members is there."""
    if hasattr(message, "WhichOneof"):
        found: str | None = message.WhichOneof(group)
        return found if found in names else None
    return _set(message, names)


def hexadecimal(given: bytes | str) -> str | None:
    """A trace or span id; None for one that is empty or all zero, which means none."""
    text = given.lower() if isinstance(given, str) else given.hex()
    return text if text.strip("0") else None


def origin(resource: Any, scope: Any) -> dict[str, Any]:
    """Who spoke, as fields of each of its events."""
    if isinstance(resource, Broken):
        return {"resource": resource.text}
    said = attributes(resource.attributes)
    row = {name: value for name, value in said.items() if name in ORIGIN}
    if rest := {name: value for name, value in said.items() if name not in ORIGIN}:
        row["resource"] = rest
    if not isinstance(scope, Broken) and scope.name:
        row["scope"] = f"{scope.name} {scope.version}".strip()
    return row


def merged(given: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """What a record says of itself beside its attributes. Its own word wins; an attribute of that name is kept too."""
    row = {**given, **{name: value for name, value in own.items() if value is not None}}
    if displaced := {name: given[name] for name in given.keys() & own.keys() if own[name] not in (None, given[name])}:
        inner = row.get("attributes")
        row["attributes"] = {**(inner if isinstance(inner, dict) else {}), **displaced}
    return row


def _set(message: Any, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if getattr(message, name) is not None), None)
