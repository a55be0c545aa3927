"""What the running server costs, and how long a line takes to a webhook."""

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

from support.running import running

pytestmark = pytest.mark.bench
PER_SECOND = int(os.environ.get("SAFELIGHT_BENCH_RATE", "100"))
SECONDS = int(os.environ.get("SAFELIGHT_BENCH_SECONDS", "20"))
ERROR_EVERY = 25
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
            told[body["labels"].get("service")] = time.time()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", told
    server.shutdown()
    server.server_close()


def test_a_line_to_the_webhook(tmp_path, sink):
    url, told = sink
    log = tmp_path / "service.log"
    log.touch()
    written = {}
    with running(tmp_path, CONFIG.format(log=log, url=url)) as server, log.open("a", buffering=1) as file:
        process = psutil.Process(server.process.pid)
        before = process.cpu_times()
        began = time.time()
        for number in range(PER_SECOND * SECONDS):
            time.sleep(max(0.0, began + number / PER_SECOND - time.time()))
            event = {"level": "INFO", "message": f"line {number}", "service": "steady"}
            if number % ERROR_EVERY == 0:  # a service of its own: a group of its own, told at once
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
    print(f"\nline written -> webhook at {PER_SECOND} events/s, {len(took_ms)} alerts: p50 {p50:.0f} ms, ", end="")
    print(f"p99 {p99:.0f} ms, max {took_ms[-1]:.0f} ms; {cpu:.1%} of a core")
    assert len(took_ms) == len(written)


def test_a_server_at_rest(tmp_path):
    with running(tmp_path) as server:
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
    print(
        f"\nat rest: {rss_mb:.0f} MB, {cpu:.2%} of a core; Python with pyarrow and DuckDB alone {floor_mb:.0f} MB, ",
        end="",
    )
    print(f"ratio {rss_mb / floor_mb:.2f}")
    assert rss_mb > floor_mb
