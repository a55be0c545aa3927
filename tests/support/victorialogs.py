"""A real VictoriaLogs on loopback: SAFELIGHT_VICTORIALOGS names its binary.

with Victoria(folder) as victoria:
    ...                                       # write to victoria.url
    victoria.stop(); victoria.start()         # same port, same data
    assert victoria.count("*") == (1000, 1000)      # events, and different ids among them
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.ports import free_port

BINARY = os.environ.get("SAFELIGHT_VICTORIALOGS", "")
needs_victorialogs = pytest.mark.skipif(not BINARY, reason="needs SAFELIGHT_VICTORIALOGS, the binary of VictoriaLogs")
HEADERS = {"VL-Time-Field": "@timestamp", "VL-Msg-Field": "message", "VL-Stream-Fields": "service,host"}
"""How it is told which of our fields is which."""
PATIENCE_S = 60


class Victoria:
    """The process, and what it has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = free_port()

    def __enter__(self) -> Victoria:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it speaks the bulk protocol."""
        return f"http://127.0.0.1:{self._port}/insert/elasticsearch"

    def start(self) -> None:
        arguments = [f"-httpListenAddr=127.0.0.1:{self._port}", f"-storageDataPath={self._folder}"]
        with (self._folder.parent / "victorialogs.log").open("ab") as log:
            self._process = subprocess.Popen(
                [BINARY, *arguments, "-retentionPeriod=100y"], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._ask("/health")
                return
            except OSError:
                assert self._process.poll() is None, "VictoriaLogs ended"
                assert time.monotonic() < deadline, "VictoriaLogs did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        """Finishes what it was sent, writes it to its disk, ends."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            assert self._process.wait(PATIENCE_S) == 0
            self._process = None

    def count(self, query: str) -> tuple[int, int]:
        """How many events match, and how many different ids they have."""
        (row,) = self.rows(f"{query} | stats count() events, count_uniq(id) ids")
        return int(row["events"]), int(row["ids"])

    def until(self, query: str, events: int) -> tuple[int, int]:
        """The same, once there are as many: what it has just taken is not searched at once."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.count(query))[0] < events and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def rows(self, query: str) -> list[dict[str, Any]]:
        self._ask("/internal/force_flush")
        form = urllib.parse.urlencode({"query": query}).encode()
        return [json.loads(line) for line in self._ask("/select/logsql/query", form).splitlines()]

    def _ask(self, path: str, form: bytes | None = None) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", form, timeout=30) as answer:
            return bytes(answer.read())
