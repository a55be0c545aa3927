"""OTLP over HTTP: taken when durable, answered as the protocol has it."""

from __future__ import annotations

import gzip
import json
from contextlib import aclosing, asynccontextmanager

import anyio
import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from starlette.applications import Starlette

from safelight.sources import otlp
from safelight.sources.otlp import Otlp
from safelight.wire.otlp import JSON, PROTOBUF


class Report:
    def __init__(self):
        self.turned_away = []

    def refused(self, count, why):
        self.turned_away.append((count, why))

    def __getattr__(self, _):
        return lambda *_: None


@asynccontextmanager
async def receiving(report=None, **fields):
    """A client of a source whose arrivals are durable at once; the lines that arrived."""
    source, lines = Otlp(**fields), []

    async def commit():
        async with aclosing(source.arrivals({}, report or Report())) as arrivals:
            async for arrival in arrivals:
                lines.extend(arrival.batch.table.select(["raw", "source", "service"]).to_pylist())

    transport = httpx.ASGITransport(Starlette(routes=source.mounted()))
    async with (
        anyio.create_task_group() as tasks,
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        tasks.start_soon(commit)
        await anyio.wait_all_tasks_blocked()
        yield client, lines
        tasks.cancel_scope.cancel()


def logs(*bodies):
    made = ExportLogsServiceRequest()
    records = made.resource_logs.add().scope_logs.add().log_records
    for body in bodies:
        records.add().body.string_value = body
    return made.SerializeToString()


@pytest.mark.anyio
async def test_protobuf_is_kept_as_lines_and_answered_in_protobuf():
    async with receiving(service="photo") as (client, lines):
        body = gzip.compress(logs("one", "二"))
        answer = await client.post(
            "/v1/logs", content=body, headers={"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}
        )
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    assert not ExportLogsServiceResponse.FromString(answer.content).HasField("partial_success")
    assert [json.loads(line["raw"])["message"] for line in lines] == ["one", "二"]
    assert {(line["service"], line["source"]) for line in lines} == {("photo", "otlp 127.0.0.1")}


@pytest.mark.anyio
async def test_json_is_answered_in_json():
    span = {"name": "GET", "traceId": "5b8aa5a2d2c872e8321cf37308d69df2", "spanId": "051581bf3cb55c13"}
    said = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    async with receiving() as (client, lines):
        answer = await client.post("/v1/traces", json=said)
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, JSON, {})
    assert json.loads(lines[0]["raw"])["event"] == "span_finished"


@pytest.mark.anyio
async def test_what_says_nothing_is_rejected_in_part_and_counted():
    made, report = ExportMetricsServiceRequest(), Report()
    metrics = made.resource_metrics.add().scope_metrics.add().metrics
    metrics.add(name="empty")
    metrics.add(name="load").gauge.data_points.add().as_int = 1
    async with receiving(report) as (client, lines):
        answer = await client.post("/v1/metrics", content=made.SerializeToString(), headers={"Content-Type": PROTOBUF})
    told = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert (told.rejected_data_points, "1 records" in told.error_message) == (1, True)
    assert len(lines) == 1
    assert report.turned_away == [(1, "rejected")]


@pytest.mark.anyio
async def test_an_empty_request_is_a_success():
    async with receiving() as (client, lines):
        answer = await client.post("/v1/logs", content=b"", headers={"Content-Type": PROTOBUF})
    assert (answer.status_code, answer.content, lines) == (200, b"", [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "media_type", "status", "why"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400, "malformed"),
        (b"{", JSON, 400, "malformed"),
        (b"{}", "text/plain", 415, "media_type"),
        (logs("a", "b", "c"), PROTOBUF, 413, "too_large"),
    ],
    ids=["no protobuf", "no json", "another type", "too many"],
)
async def test_a_refusal_is_a_status_in_the_type_of_the_request(monkeypatch, body, media_type, status, why):
    monkeypatch.setattr(otlp, "MOST_RECORDS", 2)
    report = Report()
    async with receiving(report) as (client, _):
        answer = await client.post("/v1/logs", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == status
    assert report.turned_away == [(1, why)]
    if media_type == PROTOBUF:
        assert answer.content[:1] == b"\x12"
    else:
        assert answer.json()["message"]


@pytest.mark.anyio
async def test_a_large_request_is_taken_apart_in_a_thread():
    many = [f"line {number} " + "x" * 200 for number in range(1_000)]
    async with receiving() as (client, lines):
        answer = await client.post("/v1/logs", content=logs(*many), headers={"Content-Type": PROTOBUF})
    assert (answer.status_code, len(lines)) == (200, 1_000)
