"""What OTLP is in JSON: the messages of the .proto files, in lowerCamelCase (OTLP, "JSON Protobuf Encoding").

64-bit integers may be text, ids are hexadecimal, unknown members are passed over. Members are called as in the
protobuf classes, so that one reading does for both. Only what is read is here.

Records stay as they came until each is read by itself (`records`), so that what is wrong with one is wrong with no
other.
"""

from __future__ import annotations

import msgspec

Whole = int | str
Figure = float | str
"""`NaN` and `Infinity` are text (https://protobuf.dev/programming-guides/json/)."""


_NOTHING = msgspec.Raw(b"{}")


class _Message(msgspec.Struct, rename="camel"):
    pass


class AnyValue(_Message):
    """One of these, or nothing."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Whole | None = None
    double_value: Figure | None = None
    array_value: ArrayValue | None = None
    kvlist_value: KeyValueList | None = None
    bytes_value: str | None = None


class ArrayValue(_Message):
    """A list."""

    values: list[AnyValue] = []


class KeyValue(_Message):
    """An attribute."""

    key: str = ""
    value: AnyValue = msgspec.field(default_factory=AnyValue)


class KeyValueList(_Message):
    """An object."""

    values: list[KeyValue] = []


class Resource(_Message):
    """Who speaks."""

    attributes: list[KeyValue] = []


class Scope(_Message):
    """Which library of it."""

    name: str = ""
    version: str = ""


class LogRecord(_Message):
    """A line."""

    time_unix_nano: Whole = 0
    observed_time_unix_nano: Whole = 0
    severity_number: Whole = 0
    severity_text: str = ""
    body: AnyValue = msgspec.field(default_factory=AnyValue)
    attributes: list[KeyValue] = []
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""


class ScopeLogs(_Message):
    """Of one library."""

    scope: msgspec.Raw = _NOTHING
    log_records: list[msgspec.Raw] | None = None


class ResourceLogs(_Message):
    """Of one process."""

    resource: msgspec.Raw = _NOTHING
    scope_logs: list[ScopeLogs] | None = None


class LogsRequest(_Message):
    """`ExportLogsServiceRequest`."""

    resource_logs: list[ResourceLogs] | None = None


class SpanEvent(_Message):
    """Something that happened during a span."""

    time_unix_nano: Whole = 0
    name: str = ""
    attributes: list[KeyValue] = []


class SpanLink(_Message):
    """Another span that it belongs with."""

    trace_id: str = ""
    span_id: str = ""


class Status(_Message):
    """How a span ended."""

    message: str = ""
    code: Whole = 0


class Span(_Message):
    """A piece of work."""

    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    kind: Whole = 0
    start_time_unix_nano: Whole = 0
    end_time_unix_nano: Whole = 0
    attributes: list[KeyValue] = []
    events: list[SpanEvent] = []
    links: list[SpanLink] = []
    status: Status = msgspec.field(default_factory=Status)


class ScopeSpans(_Message):
    """Of one library."""

    scope: msgspec.Raw = _NOTHING
    spans: list[msgspec.Raw] | None = None


class ResourceSpans(_Message):
    """Of one process."""

    resource: msgspec.Raw = _NOTHING
    scope_spans: list[ScopeSpans] | None = None


class TracesRequest(_Message):
    """`ExportTraceServiceRequest`."""

    resource_spans: list[ResourceSpans] | None = None


class NumberPoint(_Message):
    """A value at a time."""

    attributes: list[KeyValue] = []
    time_unix_nano: Whole = 0
    as_double: Figure | None = None
    as_int: Whole | None = None


class HistogramPoint(_Message):
    """Counts by bucket at a time."""

    attributes: list[KeyValue] = []
    time_unix_nano: Whole = 0
    count: Whole = 0
    sum: Figure | None = None
    min: Figure | None = None
    max: Figure | None = None
    bucket_counts: list[Whole] = []
    explicit_bounds: list[Figure] = []


class Quantile(_Message):
    """One of a summary."""

    quantile: Figure = 0.0
    value: Figure = 0.0


class SummaryPoint(_Message):
    """Quantiles at a time."""

    attributes: list[KeyValue] = []
    time_unix_nano: Whole = 0
    count: Whole = 0
    sum: Figure = 0.0
    quantile_values: list[Quantile] = []


class Numbers(_Message):
    """A gauge or a sum."""

    data_points: list[NumberPoint] = []


class Histograms(_Message):
    """A histogram, also an exponential one, whose buckets are not kept."""

    data_points: list[HistogramPoint] = []


class Summaries(_Message):
    """A summary."""

    data_points: list[SummaryPoint] = []


class Metric(_Message):
    """One series; one of its members has the data."""

    name: str = ""
    unit: str = ""
    gauge: Numbers | None = None
    sum: Numbers | None = None
    histogram: Histograms | None = None
    exponential_histogram: Histograms | None = None
    summary: Summaries | None = None


class ScopeMetrics(_Message):
    """Of one library."""

    scope: msgspec.Raw = _NOTHING
    metrics: list[msgspec.Raw] | None = None


class ResourceMetrics(_Message):
    """Of one process."""

    resource: msgspec.Raw = _NOTHING
    scope_metrics: list[ScopeMetrics] | None = None


class MetricsRequest(_Message):
    """`ExportMetricsServiceRequest`."""

    resource_metrics: list[ResourceMetrics] | None = None
