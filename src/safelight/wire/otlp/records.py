"""A request taken apart as far as its records, and each record read by itself.

A request of 64 MB may hold 32 million empty records, which all at once would take gigabytes; and one record that cannot
be read, such as one with text that is not UTF-8 or is cut in the middle of a character, must not sink those beside it.
All three signals have the same three levels: https://github.com/open-telemetry/opentelemetry-proto, `resource_*` (1) of
a request; `resource` (1) and `scope_*` (2) of each; `scope` (1) and the records (2) of each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from ...errors import InputError
from . import shape

RECORD_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one record, or of one metric with its data points; a larger one is flagged. What it becomes may take 50
times its bytes."""
KEPT: Final = 64 * 1024
"""Characters that are shown of a record that cannot be read."""
_STEPS_EACH: Final = 8  # fields looked at for a record, at the most: what stands around it is looked at twice
_OBJECTS_EACH: Final = 10
_COMMAS_EACH: Final = 40
_LEAST: Final = 1_000
_LONE: Final = re.compile("[\ud800-\udfff]")  # half of a pair, as JavaScript cuts text

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""https://protobuf.dev/programming-guides/encoding/#structure"""


class TooMany(InputError):
    """More records than are taken at once."""

    def __init__(self, most: int) -> None:
        super().__init__("sources.too_many_records", limit=most)


class Broken(NamedTuple):
    """What should have been a record, as text, and why it is none."""

    text: str
    why: str


class Found(NamedTuple):
    """One record and who it is of; each in the classes of its encoding, or Broken."""

    resource: Any
    scope: Any
    record: Any


class Classes(NamedTuple):
    """What protobuf reads them with."""

    resource: Any
    scope: Any
    record: Any


def of_protobuf(body: bytes, classes: Classes, most: int) -> Iterator[Found]:
    """The records of a request. Raises TooMany, and ValueError when it is no protobuf."""
    walk = _Walk(most)
    for resource in walk.fields(memoryview(body), 1):
        who = _parsed(classes.resource, b"".join(walk.fields(resource, 1)))
        for scope in walk.fields(resource, 2):
            by = _parsed(classes.scope, b"".join(walk.fields(scope, 1)))
            for record in walk.fields(scope, 2):
                yield Found(who, by, _parsed(classes.record, bytes(record)))


class _Walk:
    """Looks for fields, for as long as that is worth it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most * _STEPS_EACH + _LEAST

    def fields(self, message: memoryview, number: int) -> Iterator[memoryview]:
        """What the fields of this number hold, in their order."""
        at = 0
        while at < len(message):
            self._left -= 1
            if self._left < 0:
                raise TooMany(self._most)
            tag, at = _varint(message, at)
            if tag & 7 == _BYTES:
                size, at = _varint(message, at)
                if tag >> 3 == number and at + size <= len(message):
                    yield message[at : at + size]
                at += size
            elif tag & 7 == _VARINT:
                _, at = _varint(message, at)
            elif tag & 7 in {_FIXED64, _FIXED32}:
                at += 8 if tag & 7 == _FIXED64 else 4
            else:
                raise ValueError("unknown wire type")
            if tag < 1 << 3 or at > len(message):
                raise ValueError("truncated message" if at > len(message) else "field number 0")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("truncated message")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("number of more than 64 bits")


def _parsed(kind: Any, data: bytes) -> Any:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - only where it is spoken

    if len(data) > RECORD_LIMIT:
        return _broken(data, f"record of {len(data)} bytes, over the limit of {RECORD_LIMIT}")
    try:
        return kind.FromString(data)
    except DecodeError as error:
        return _broken(data, f"not understood as OTLP: {error}")


def of_json(body: bytes, request: type[msgspec.Struct], record: type[msgspec.Struct], most: int) -> Iterator[Found]:
    """The same of a request in JSON. Raises TooMany, msgspec.MsgspecError and RecursionError."""
    if body.count(b"{") > most * _OBJECTS_EACH + _LEAST or body.count(b",") > most * _COMMAS_EACH + _LEAST:
        raise TooMany(most)
    try:
        asked = msgspec.json.decode(body, type=request)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        asked = msgspec.json.decode(_repaired(body), type=request)
    for resource in _members(asked):
        who = _decoded(shape.Resource, resource.resource)
        for scope in _members(resource):
            by = _decoded(shape.Scope, scope.scope)
            for one in _members(scope):
                yield Found(who, by, _decoded(record, one))


def _repaired(body: bytes) -> bytes:
    """Without halves of characters, over which even what is not looked at stumbles."""
    try:
        return msgspec.json.encode(_without_nulls(json.loads(body)))
    except (ValueError, RecursionError):
        return body


def _members(message: msgspec.Struct) -> list[Any]:
    """The list that every level ends with."""
    found: list[Any] | None = getattr(message, message.__struct_fields__[-1])
    return found or []


def _decoded(kind: type[msgspec.Struct], raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _forgiven(kind, bytes(raw))


def _forgiven(kind: type[msgspec.Struct], raw: bytes) -> Any:
    """With members that are null, which is as good as absent (https://protobuf.dev/programming-guides/json/), NaN, and
    halves of characters."""
    try:
        return msgspec.convert(_without_nulls(json.loads(raw.decode(errors="replace"))), kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _broken(raw, f"not understood as OTLP: {error}")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [{} if inner is None else _without_nulls(inner) for inner in value]
    return _LONE.sub("\ufffd", value) if isinstance(value, str) else value


def _broken(data: bytes, why: str) -> Broken:
    return Broken(data[:KEPT].decode("utf-8", "replace"), why)
