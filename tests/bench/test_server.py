"""What the running server costs, how long a line takes to a webhook, and what becomes of a storm."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from support.many_rules import as_toml, many_rules
from support.running import running

pytestmark = pytest.mark.bench
SECONDS = int(os.environ.get("SAFELIGHT_BENCH_SECONDS", "20"))
ERROR_EVERY = int(os.environ.get("SAFELIGHT_BENCH_ERROR_EVERY", "25"))
STORM = 10_000
CONFIG = """
[[sources]]
type = "file"
paths = ["{log}"]
[[channels]]
type = "webhook"
name = "hook"
url = "{url}"
allow_private = true
severity = 1
"""


@pytest.fixture
def sink():
    """A webhook that notes when which service was told of."""
    told = {}

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            for alert in body["alerts"]:  # of a message that was joined with others, too
                told.setdefault(alert["labels"].get("service"), time.time())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", told
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("per_second", "rules"), [(100, 0), (10, 50), (1_000, 50)])
def test_a_line_to_the_webhook(tmp_path, sink, per_second, rules):
    url, told = sink
    log = tmp_path / "service.log"
    log.touch()
    written = {}
    config = CONFIG.format(log=log, url=url) + as_toml(many_rules(rules))
    with running(tmp_path, config) as server, log.open("a", buffering=1) as file:
        process = psutil.Process(server.process.pid)
        before = process.cpu_times()
        began = time.time()
        for number in range(per_second * SECONDS):
            time.sleep(max(0.0, began + number / per_second - time.time()))
            event = {"level": "INFO", "message": f"line {number}", "service": "steady"}
            if (
                number % (ERROR_EVERY if per_second > 10 else 2) == 0
            ):  # a service of its own: a group of its own, told at once
                event = {"level": "ERROR", "message": f"failure {number}", "service": f"service-{number}"}
                written[event["service"]] = time.time()
            file.write(json.dumps(event) + "\n")
        deadline = time.monotonic() + 20
        while len(told.keys() & written.keys()) < len(written) and time.monotonic() < deadline:
            time.sleep(0.1)
        after = process.cpu_times()
    took_ms = sorted((told[name] - at) * 1000 for name, at in written.items())
    cpu = (after.user + after.system - before.user - before.system) / SECONDS
    p50, p99 = statistics.median(took_ms), took_ms[int(len(took_ms) * 0.99)]
    print(f"\nline written -> webhook at {per_second} events/s, {rules} more rules, {len(took_ms)} alerts: ", end="")
    print(f"p50 {p50:.0f} ms, ", end="")
    print(f"p99 {p99:.0f} ms, max {took_ms[-1]:.0f} ms; {cpu:.1%} of a core")
    assert len(took_ms) == len(written)


@pytest.mark.parametrize("rules", [0, 50])
def test_a_server_at_rest(tmp_path, rules):
    with running(tmp_path, as_toml(many_rules(rules))) as server:
        server.get("/overview")
        process = psutil.Process(server.process.pid)
        time.sleep(SECONDS / 2)
        before = process.cpu_times()
        time.sleep(SECONDS)
        after = process.cpu_times()
        cpu = (after.user + after.system - before.user - before.system) / SECONDS
        rss_mb = process.memory_info().rss / 1e6
    bare = (
        "import pyarrow, duckdb, resource; duckdb.connect().sql('select 1').fetchall();"
        "print(resource.getrusage(0).ru_maxrss / 1e3)"
    )
    floor_mb = float(subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=True).stdout)
    print(f"\nat rest with {rules} more rules: {rss_mb:.0f} MB, {cpu:.2%} of a core; ", end="")
    print(f"Python with pyarrow and DuckDB alone {floor_mb:.0f} MB, ", end="")
    print(f"ratio {rss_mb / floor_mb:.2f}")
    assert rss_mb > floor_mb


def test_a_storm_of_failures(tmp_path, sink):
    """10,000 failures within a minute, of 3 services and 5 causes."""
    url, told = sink
    log = tmp_path / "service.log"
    log.touch()
    with running(tmp_path, CONFIG.format(log=log, url=url)) as server, log.open("a", buffering=1) as file:
        process = psutil.Process(server.process.pid)
        server.get("/alerts")
        calm_mb = process.memory_info().rss / 1e6
        began, worst_mb = time.time(), 0.0
        for number in range(STORM):
            time.sleep(max(0.0, began + number / (STORM / SECONDS) - time.time()))
            node = f"Node{number % 5}"
            event = {"level": "ERROR", "event": "node_failed", "service": f"studio-{number % 3}", "node": node}
            file.write(json.dumps(event | {"error_type": "ValueError", "error_message": f"broken {node}"}) + "\n")
            if number % 500 == 0:
                worst_mb = max(worst_mb, process.memory_info().rss / 1e6)
        server.until("event:node_failed", STORM, within_s=60)
        time.sleep(15)  # until what was collected has been told
        worst_mb = max(worst_mb, process.memory_info().rss / 1e6)
        messages = server.events("event:notification_sent", limit=10_000)
        alerts = server.get("/alerts", limit=1_000)["alerts"]
    counted = sum(alert["count"] for alert in alerts if alert["rule"] == "any-error")
    print(f"\n{STORM} failures in {SECONDS} s: {len(messages)} messages, {len(alerts)} alerts, ", end="")
    print(f"memory {calm_mb:.0f} -> {worst_mb:.0f} MB")
    assert counted == STORM
    assert told
