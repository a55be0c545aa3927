"""OTLP in both spellings means the same events; whatever is sent, nothing but a clear refusal comes of it."""

from __future__ import annotations

import json
import tracemalloc
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from safelight.errors import InputError
from safelight.wire.otlp import JSON, PROTOBUF, SIGNALS, Received, _varint, answer, failure, read, records
from safelight.wire.otlp.export import request
from safelight.wire.otlp.records import TooMany

TRACE, SPAN = "5b8aa5a2d2c872e8321cf37308d69df2", "051581bf3cb55c13"
AT = 1_763_800_000_123_456_789
REQUESTS = {
    "logs": ExportLogsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
RESOURCE = {
    "attributes": [
        {"key": "service.name", "value": {"stringValue": "photo"}},
        {"key": "host.name", "value": {"stringValue": "gpu-1"}},
        {"key": "telemetry.sdk.language", "value": {"stringValue": "python"}},
    ]
}
WHO = {"service.name": "photo", "host.name": "gpu-1", "resource": {"telemetry.sdk.language": "python"}}


def logs(*records):
    return {"resourceLogs": [{"resource": RESOURCE, "scopeLogs": [{"logRecords": list(records)}]}]}


def traces(*spans):
    scope = {"name": "tracer", "version": "2"}
    return {"resourceSpans": [{"resource": RESOURCE, "scopeSpans": [{"scope": scope, "spans": list(spans)}]}]}


def metrics(*series):
    return {"resourceMetrics": [{"resource": RESOURCE, "scopeMetrics": [{"metrics": list(series)}]}]}


def in_json(signal, said):
    return read(SIGNALS[signal], json.dumps(said).encode(), JSON)


def in_protobuf(signal, said):
    """By the official library; its JSON has ids in base64."""
    from google.protobuf.json_format import ParseDict

    def with_base64(value, key=""):
        if isinstance(value, dict):
            return {name: with_base64(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [with_base64(item) for item in value]
        return b64encode(bytes.fromhex(value)).decode() if key in {"traceId", "spanId", "parentSpanId"} else value

    return read(SIGNALS[signal], ParseDict(with_base64(said), REQUESTS[signal]()).SerializeToString(), PROTOBUF)


@pytest.fixture(params=[in_json, in_protobuf], ids=["json", "protobuf"])
def received(request):
    return request.param


def nested(found):
    """Records within a scope within a resource, as protobuf has them."""
    for number in (2, 1):
        found = bytes([number << 3 | 2]) + _varint(len(found)) + found
    return found


def pair(key, **value):
    return {"key": key, "value": value}


def test_a_record_becomes_an_event(received):
    record = {
        "timeUnixNano": str(AT),
        "severityNumber": 17,
        "severityText": "ERROR",
        "eventName": "processing_failed",
        "body": {"stringValue": "图片无法打开"},
        "traceId": TRACE,
        "spanId": SPAN,
        "attributes": [
            pair("exception.type", stringValue="ValueError"),
            pair("steps", intValue="30"),
            pair("cfg", doubleValue=7.5),
            pair("last", boolValue=True),
            pair("sizes", arrayValue={"values": [{"intValue": "512"}, {"stringValue": "auto"}]}),
            pair("sampler", kvlistValue={"values": [pair("name", stringValue="euler")]}),
            pair("thumb", bytesValue="AAEC"),
            pair("nothing"),
        ],
    }
    assert received("logs", logs(record)).rows == [
        {
            **WHO,
            "timestamp": AT,
            "level": "ERROR",
            "event": "processing_failed",
            "message": "图片无法打开",
            "trace_id": TRACE,
            "span_id": SPAN,
            "error_type": "ValueError",
            "steps": 30,
            "cfg": 7.5,
            "last": True,
            "sizes": [512, "auto"],
            "sampler": {"name": "euler"},
            "thumb": "AAEC",
            "nothing": None,
        }
    ]


@pytest.mark.parametrize(
    ("number", "word", "level"),
    [
        *((number, "", "DEBUG") for number in (1, 4, 5, 8)),
        *((number, "", level) for number, level in ((9, "INFO"), (13, "WARNING"), (17, "ERROR"), (21, "CRITICAL"))),
        *((24, "", "CRITICAL"), (0, "warn", "WARNING"), (0, "", None), (99, "", None)),
    ],
)
def test_four_numbers_are_one_level(received, number, word, level):
    (row,) = received("logs", logs({"severityNumber": number, "severityText": word})).rows
    assert row.get("level") == level


def test_without_a_time_it_is_when_the_record_was_seen(received):
    (row,) = received("logs", logs({"observedTimeUnixNano": str(AT)})).rows
    assert row["timestamp"] == AT


def test_a_body_that_is_an_object_or_a_line_of_json_gives_its_members(received):
    inside = {"kvlistValue": {"values": [pair("event", stringValue="image_processed"), pair("ms", intValue="842")]}}
    line = {"stringValue": '{"event": "image_processed", "ms": 842}'}
    rows = received("logs", logs({"body": inside}, {"body": line}, {"body": {"stringValue": "{half"}})).rows
    assert [{name: row[name] for name in row.keys() - WHO.keys()} for row in rows] == [
        {"event": "image_processed", "ms": 842},
        {"event": "image_processed", "ms": 842},
        {"message": "{half"},
    ]


def test_its_own_word_wins_and_the_attribute_of_that_name_is_kept(received):
    said = {"severityNumber": 9, "attributes": [pair("level", stringValue="blue"), pair("attributes", intValue="1")]}
    (row,) = received("logs", logs(said)).rows
    assert (row["level"], row["attributes"]) == ("INFO", {"level": "blue"})


def test_a_span_is_an_event_when_it_ended_and_what_happened_in_it_are_events(received):
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": "0" * 16,
        "name": "POST /matting",
        "kind": 2,
        "startTimeUnixNano": str(AT),
        "endTimeUnixNano": str(AT + 842_000_000),
        "status": {"code": 2, "message": "bad image"},
        "links": [{"traceId": TRACE, "spanId": SPAN}],
        "events": [
            {"timeUnixNano": str(AT + 1), "name": "cached"},
            {
                "timeUnixNano": str(AT + 2),
                "name": "exception",
                "attributes": [
                    pair("exception.type", stringValue="OSError"),
                    pair("exception.message", stringValue="x"),
                ],
            },
        ],
        "attributes": [pair("workflow_id", stringValue="wf-1")],
    }
    cached, thrown, ended = received("traces", traces(span)).rows
    ids = {**WHO, "scope": "tracer 2", "trace_id": TRACE, "span_id": SPAN}
    assert cached == {**ids, "timestamp": AT + 1, "event": "cached", "message": "cached", "level": "INFO"}
    fell = {"error_type": "OSError", "error_message": "x"}
    assert thrown == {**ids, **fell, "timestamp": AT + 2, "event": "exception", "message": "x", "level": "ERROR"}
    assert ended == {
        **ids,
        **fell,
        "timestamp": AT + 842_000_000,
        "event": "span_finished",
        "message": "POST /matting",
        "level": "ERROR",
        "duration_ms": 842.0,
        "kind": "server",
        "links": [{"trace_id": TRACE, "span_id": SPAN}],
        "workflow_id": "wf-1",
    }


def test_a_span_that_went_well_says_no_more_than_that(received):
    (row,) = received("traces", traces({"name": "GET", "traceId": TRACE, "spanId": SPAN})).rows
    assert row == {**WHO, "scope": "tracer 2", "event": "span_finished", "message": "GET", "level": "INFO"} | {
        "trace_id": TRACE,
        "span_id": SPAN,
    }


def point(**fields):
    return {"dataPoints": [{"timeUnixNano": str(AT), **fields}]}


@pytest.mark.parametrize(
    ("data", "value", "message"),
    [
        ({"gauge": point(asDouble=0.5)}, {"value": 0.5}, "load 0.5 1"),
        ({"sum": point(asInt="7")}, {"value": 7}, "load 7 1"),
        (
            {"histogram": point(count="4", sum=10.0, min=1.0, explicitBounds=[1.0, 2.0], bucketCounts=["1", "1", "2"])},
            {"count": 4, "sum": 10.0, "mean": 2.5, "min": 1.0, "bounds": [1.0, 2.0], "counts": [1, 1, 2]},
            "load 2.5 1",
        ),
        ({"exponentialHistogram": point(count="2", sum=3.0)}, {"count": 2, "sum": 3.0, "mean": 1.5}, "load 1.5 1"),
        (
            {"summary": point(count="2", sum=3.0, quantileValues=[{"quantile": 0.99, "value": 2.0}])},
            {"count": 2, "sum": 3.0, "mean": 1.5, "quantiles": {"0.99": 2.0}},
            "load 1.5 1",
        ),
        ({"gauge": point()}, {}, "load"),
    ],
    ids=["gauge", "sum", "histogram", "exponential", "summary", "no value"],
)
def test_a_data_point_is_an_event(received, data, value, message):
    (row,) = received("metrics", metrics({"name": "load", "unit": "1", **data})).rows
    said = {"timestamp": AT, "event": "metric_sampled", "level": "DEBUG", "metric": "load", "unit": "1"}
    assert row == {**WHO, **said, **value, "message": message}


def test_a_metric_without_data_is_rejected_and_the_others_are_kept(received):
    found = received("metrics", metrics({"name": "empty"}, {"name": "load", "gauge": point(asInt="1")}))
    assert (len(found.rows), found.rejected) == (1, 1)


def test_what_breaks_the_specification_in_small_things_is_taken():
    span = {"name": "GET", "kind": "SPAN_KIND_SERVER", "status": {"code": "STATUS_CODE_ERROR"}, "endTimeUnixNano": "x"}
    (row,) = in_json("traces", traces(span)).rows
    assert row["level"] == "ERROR"
    assert "timestamp" not in row


def test_partial_success_says_how_many_and_why():
    said = answer(SIGNALS["traces"], Received([], 300), PROTOBUF, "为什么")
    parsed = ExportTraceServiceResponse.FromString(said)
    assert (parsed.partial_success.rejected_spans, parsed.partial_success.error_message) == (300, "为什么")
    assert json.loads(answer(SIGNALS["logs"], Received([], 2), JSON, "why")) == {
        "partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "why"}
    }
    assert ExportLogsServiceResponse.FromString(answer(SIGNALS["logs"], Received([], 0), PROTOBUF, "")) is not None
    assert answer(SIGNALS["logs"], Received([], 0), JSON, "") == b"{}"


def test_a_failure_is_a_status_with_its_message():
    assert json.loads(failure(JSON, "no")) == {"message": "no"}
    assert failure(PROTOBUF, "no") == b"\x12\x02no"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceLogs": 5}', b'{"resourceLogs": [{"scopeLogs": [1]}]}'])
def test_malformed_json_is_refused_in_a_sentence(body):
    with pytest.raises(InputError, match="no OTLP request"):
        read(SIGNALS["logs"], body, JSON)


def test_a_record_in_json_that_is_nearly_right_is_understood():
    said = """{"resourceLogs": [{"resource": null, "scopeLogs": [{"scope": null, "logRecords": [
        {"body": {"stringValue": "half \\ud83d"}, "traceId": null, "attributes": null},
        {"body": {"stringValue": "whole"}, "attributes": [{"key": "a", "value": null}]}
    ]}, {"logRecords": null}]}, {"scopeLogs": null}]}"""
    rows = read(SIGNALS["logs"], said.encode(), JSON).rows
    assert [row["message"] for row in rows] == ["half \ufffd", "whole"]


def test_a_record_that_cannot_be_understood_is_flagged_and_the_others_are_kept(received):
    made = ExportLogsServiceRequest()
    sent = made.resource_logs.add().scope_logs.add().log_records
    for message in ("one", "?", "three"):
        sent.add().body.string_value = message
    body = made.SerializeToString().replace(b"?", b"\xff")
    if received is in_json:
        body = json.dumps(logs({"body": {"stringValue": "one"}}, {"attributes": 5}, {"body": {"stringValue": "three"}}))
        body = body.encode()
    found = read(SIGNALS["logs"], body, JSON if received is in_json else PROTOBUF)
    assert [row.get("message") for row in found.rows][::2] == ["one", "three"]
    assert ["not understood as OTLP" in row.get("parse_error", "") for row in found.rows] == [False, True, False]


def test_what_is_larger_than_a_record_may_be_is_flagged(monkeypatch):
    monkeypatch.setattr(records, "RECORD_LIMIT", 1_000)
    (big, small) = in_protobuf(
        "logs", logs({"body": {"stringValue": "x" * 2_000}}, {"body": {"stringValue": "y"}})
    ).rows
    assert "over the limit" in big["parse_error"]
    assert small["message"] == "y"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"\x0a\x00" * 300_000, PROTOBUF),
        (b"\x20\x01" * 300_000, PROTOBUF),
        (nested(b"\x12\x00" * 300_000), PROTOBUF),
        (b'{"resourceLogs":[' + b",".join([b"{}"] * 300_000) + b"]}", JSON),
        (b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b",".join([b"1"] * 300_000) + b"]}]}]}", JSON),
    ],
    ids=["resources", "unknown fields", "records", "objects", "numbers"],
)
def test_masses_of_nothing_are_refused_before_they_take_memory(body, media_type):
    tracemalloc.start()
    try:
        with pytest.raises(TooMany):
            read(SIGNALS["logs"], body, media_type, 1_000)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()


def test_a_resource_that_cannot_be_read_spoils_no_record():
    resource = b"\x0a\x02\x0a\xff"
    scope = b"\x12\x08\x12\x06" + b"\x2a\x04\x0a\x02ok"
    (row,) = read(SIGNALS["logs"], b"\x0a" + bytes([len(resource + scope)]) + resource + scope, PROTOBUF).rows
    assert row["message"] == "ok"
    assert row["resource"]


def test_bottomless_nesting_is_refused():
    deep = '{"body":' + '{"arrayValue":{"values":[' * 5_000 + "]}}" * 5_000 + "}"
    said = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + deep + "]}]}]}"
    with pytest.raises(InputError):
        read(SIGNALS["logs"], said.encode(), JSON)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(SIGNALS)), st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(signal, body):
    for media_type in (JSON, PROTOBUF):
        try:
            read(SIGNALS[signal], body, media_type)
        except InputError:
            continue


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["a", "b.c", "标签"]), VALUES, max_size=3), st.sampled_from(["DEBUG", "ERROR"]))
def test_what_we_export_comes_back_as_it_was(attributes, level):
    moment = datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)
    event = {"id": "e1", "timestamp": moment, "received_at": moment, "level": level, "event": "node_failed"}
    event |= {"message": "坏", "service": "comfyui", "host": "gpu-1", "instance": None, "node": "VAEDecode"}
    event |= {"duration_ms": 3.5, "error_type": "OOM", "trace_id": TRACE, "span_id": SPAN, "user_id": "li"}
    event["attributes"] = json.dumps(attributes)
    (row,) = read(SIGNALS["logs"], request([event]), PROTOBUF).rows
    who = {"service.name": "comfyui", "host.name": "gpu-1", "scope": "safelight"}
    said = {name: event[name] for name in ("id", "level", "event", "message", "node", "duration_ms", "error_type")}
    ids = {
        "trace_id": TRACE,
        "span_id": SPAN,
        "user_id": "li",
        "timestamp": int(moment.timestamp()) * 10**9 + 123456000,
    }
    assert row == {**who, **attributes, **said, **ids}
