"""OpenTelemetry's protocol: logs, spans and metrics as events, and events as logs.

    shape      what is on the wire, in JSON; the protobuf classes have the same names
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

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

Row = dict[str, Any]
"""One event as a JSON object."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One of the three: how a request is read, and what it means."""

    path: str
    request: type[msgspec.Struct]
    protobuf: Callable[[], Any]
    rows: Callable[[Any], Iterator[Row | None]]
    """None stands for a record that has nothing in it that we could keep."""
    rejected: str
    """The name of the count in the answer."""


def _logs() -> Any:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415 - 40 ms, only where it is spoken

    return logs_service_pb2.ExportLogsServiceRequest()


def _traces() -> Any:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    return trace_service_pb2.ExportTraceServiceRequest()


def _metrics() -> Any:
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415

    return metrics_service_pb2.ExportMetricsServiceRequest()


SIGNALS: Final[Mapping[str, Signal]] = {
    "logs": Signal("/v1/logs", shape.LogsRequest, _logs, logs.rows, "rejectedLogRecords"),
    "traces": Signal("/v1/traces", shape.TracesRequest, _traces, traces.rows, "rejectedSpans"),
    "metrics": Signal("/v1/metrics", shape.MetricsRequest, _metrics, metrics.rows, "rejectedDataPoints"),
}


@dataclass(frozen=True, slots=True)
class Received:
    """What a request holds."""

    rows: list[Row]
    rejected: int
    """Records that say nothing, such as a metric without data."""


def read(signal: Signal, body: bytes, media_type: str) -> Received:
    """The events of a request. Raises InputError when the body is not what its type says."""
    try:
        found = list(signal.rows(_request(signal, body, media_type)))
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise InputError("otlp.malformed", reason=_brief(error)) from error
    except RecursionError as error:
        raise InputError("otlp.too_deep") from error
    rows = [row for row in found if row is not None]
    return Received(rows, len(found) - len(rows))


def _request(signal: Signal, body: bytes, media_type: str) -> Any:
    if media_type == JSON:
        return msgspec.json.decode(body, type=signal.request)
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - with the classes above

    request = signal.protobuf()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise InputError("otlp.malformed", reason=_brief(error)) from error
    return request


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
