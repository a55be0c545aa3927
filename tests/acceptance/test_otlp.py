"""OpenTelemetry's SDK sends to a real server: as recorded, and as it is where one is pointed to."""

from __future__ import annotations

import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from support.running import running

TESTS = Path(__file__).parents[1]
GOLDEN = TESTS / "golden" / "otlp"
SDK = os.environ.get("SAFELIGHT_OPENTELEMETRY", "")
"""A Python with opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http."""


def recorded(url):
    for signal in ("logs", "traces", "metrics"):
        body = (GOLDEN / f"{signal}.pb").read_bytes()
        headers = {"Content-Type": "application/x-protobuf"}
        with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/{signal}", body, headers), timeout=30) as answer:
            assert (answer.status, answer.read()) == (200, b"")


def live(url):
    done = subprocess.run(
        [SDK, str(TESTS / "support" / "otel_service.py"), url], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "send",
    [recorded, pytest.param(live, marks=pytest.mark.skipif(not SDK, reason="SAFELIGHT_OPENTELEMETRY names no Python"))],
)
def test_what_the_sdk_sends_is_found(tmp_path, send):
    with running(tmp_path) as server:
        send(server.url)  # answered: durable
        events = server.events("service:photo")
        (failed,) = server.events("service:photo AND level:ERROR AND message:抠图失败")
        (span,) = server.events("workflow_id:wf-8a2f1e9b AND event:span_finished")
        (took,) = server.events("metric:matting.duration AND count:1")
    assert len(events) == 7  # two lines, two spans, the exception within one, two data points
    assert {(event["instance"], event["host"]) for event in events} == {("photo-1", "gpu-1")}
    assert (failed["error_type"], failed["trace_id"]) == ("MemoryError", span["trace_id"])
    assert "CUDA out of memory" in failed["error_message"]
    assert failed["error_group"] == "host_ram_oom"  # a MemoryError, whatever it says: a class counts before words
    assert span["duration_ms"] > 0
    assert took["attributes"]["sum"] == 842.5
    assert all(event["source"] == "otlp 127.0.0.1" for event in events)
