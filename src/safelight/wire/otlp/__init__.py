"""OpenTelemetry's protocol: logs, spans and metrics as events, and events as logs.

    shape      what is on the wire, in JSON; the protobuf classes have the same names
    records    a request, taken apart into its records
    values     attributes, ids and times of both
    logs, traces, metrics     one signal each, into the fields of events
    export     events as a request for somebody else

Facts from https://opentelemetry.io/docs/specs/otlp/ (OTLP 1.9) and the .proto files of opentelemetry-proto 1.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ...errors import InputError
from . import logs, metrics, shape, traces
from .records import KEPT, Broken, Classes, Found, TooMany, of_json, of_protobuf
from .values import origin

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

MOST_RECORDS: Final = 100_000
"""Events of one request."""

Row = dict[str, Any]
"""One event as a JSON object."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One of the three: how a request is read, and what it means."""

    path: str
    request: type[msgspec.Struct]
    record: type[msgspec.Struct]
    protobuf: Callable[[], Any]
    """The class of its records."""
    events: Callable[[Any], Iterator[Row | None]]
    """What a record says. None stands for one that has nothing in it that we could keep."""
    rejected: str
    """The name of the count in the answer."""


def _log() -> Any:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord  # noqa: PLC0415 - 40 ms, only where it is spoken

    return LogRecord


def _span() -> Any:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span  # noqa: PLC0415

    return Span


def _metric() -> Any:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric  # noqa: PLC0415

    return Metric


def _classes(signal: Signal) -> Classes:
    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope  # noqa: PLC0415
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource  # noqa: PLC0415

    return Classes(Resource, InstrumentationScope, signal.protobuf())


SIGNALS: Final[Mapping[str, Signal]] = {
    "logs": Signal("/v1/logs", shape.LogsRequest, shape.LogRecord, _log, logs.events, "rejectedLogRecords"),
    "traces": Signal("/v1/traces", shape.TracesRequest, shape.Span, _span, traces.events, "rejectedSpans"),
    "metrics": Signal("/v1/metrics", shape.MetricsRequest, shape.Metric, _metric, metrics.events, "rejectedDataPoints"),
}


@dataclass(frozen=True, slots=True)
class Received:
    """What a request holds."""

    rows: list[Row]
    rejected: int
    """Records that say nothing, such as a metric without data."""


def read(signal: Signal, body: bytes, media_type: str, most: int = MOST_RECORDS) -> Received:
    """The events of a request. A record that cannot be understood becomes one that says so. Raises InputError when the
    body is not what its type says, and TooMany for more than `most` events."""
    rows: list[Row] = []
    rejected = 0
    try:
        for found in _found(signal, body, media_type, most):
            for row in _rows(signal, found):
                rejected += row is None
                if row is not None:
                    rows.append(row)
                if len(rows) + rejected > most:
                    raise TooMany(most)
    except (msgspec.MsgspecError, ValueError) as error:
        raise InputError("otlp.malformed", reason=_brief(error)) from error
    except RecursionError as error:
        raise InputError("otlp.too_deep") from error
    return Received(rows, rejected)


def _found(signal: Signal, body: bytes, media_type: str, most: int) -> Iterator[Found]:
    if media_type == JSON:
        return of_json(body, signal.request, signal.record, most)
    return of_protobuf(body, _classes(signal), most)


def _rows(signal: Signal, found: Found) -> Iterator[Row | None]:
    who = origin(found.resource, found.scope)
    if isinstance(found.record, Broken):
        yield {**who, **_flagged(found.record)}
        return
    try:
        for event in signal.events(found.record):
            yield None if event is None else {**who, **event}
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        broken = Broken(str(found.record)[:KEPT], f"not understood as OTLP: {_brief(error)}")
        yield {**who, **_flagged(broken)}


def _flagged(broken: Broken) -> Row:
    return {"level": "WARNING", "message": broken.text, "raw": broken.text, "parse_error": broken.why}


def answer(signal: Signal, received: Received, media_type: str, why: str) -> bytes:
    """The body of a 200: empty, or how many records were rejected and `why` (OTLP, "Partial Success")."""
    if media_type == JSON:
        partial = {signal.rejected: str(received.rejected), "errorMessage": why}
        return msgspec.json.encode({"partialSuccess": partial} if received.rejected else {})
    if not received.rejected:
        return b""
    # In all three answers: partial_success = 1 { rejected = 1 (int64), error_message = 2 (string) }.
    inner = b"\x08" + _varint(received.rejected) + _text(2, why)
    return b"\x0a" + _varint(len(inner)) + inner


def failure(media_type: str, why: str) -> bytes:
    """The body of a 4xx or 5xx: a `google.rpc.Status` of which only the message counts (OTLP, "Failures")."""
    return msgspec.json.encode({"message": why}) if media_type == JSON else _text(2, why)


def _text(field: int, value: str) -> bytes:
    encoded = value.encode()
    return bytes([field << 3 | 2]) + _varint(len(encoded)) + encoded


def _varint(number: int) -> bytes:
    """Base 128, https://protobuf.dev/programming-guides/encoding/#varints."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _brief(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
