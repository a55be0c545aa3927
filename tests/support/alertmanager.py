"""A real Alertmanager on loopback, with a webhook receiver that hears everything, and a Prometheus beside it.

with Receiver() as receiver, Manager(folder, receiver.url) as manager:
    ...                                     # hand alerts over to manager.url
    receiver.wait(lambda told: ...)         # what it told, alert by alert
    manager.kill(); manager.start()         # same port, same data
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .ports import free_port
from .providers import Answer, Provider

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
PROMETHEUS = shutil.which("prometheus")
needs_alertmanager = pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager is not installed")
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")


@dataclass(frozen=True)
class Told:
    """One alert in one message of Alertmanager."""

    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    ends_at: str
    url: str


class Receiver(Provider):
    """Alertmanager's webhook receiver."""

    path = "/hook"

    def judge(self, request: Any) -> Answer:
        return Answer()

    @property
    def told(self) -> list[Told]:
        """Every alert of every message, in order."""
        return [
            Told(alert["status"], alert["labels"], alert["annotations"], alert["endsAt"], alert["generatorURL"])
            for request in list(self.received)
            for alert in request.json["alerts"]
        ]

    def hear(self, wanted: Callable[[list[Told]], bool], timeout_s: float = 60) -> list[Told]:
        """Everything told, once it is as `wanted`."""
        deadline = time.monotonic() + timeout_s
        while not wanted(self.told):
            assert time.monotonic() < deadline, self.told
            self.wait(len(self.received) + 1, max(0.1, deadline - time.monotonic()))
        return self.told


class _Program:
    ready = "/-/ready"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.get(self.ready)
                return
            except (urllib.error.URLError, ConnectionError):
                log_text = (self.folder / "log").read_text(errors="replace")
                assert self._process.poll() is None, log_text
                assert time.monotonic() < deadline, log_text
                time.sleep(0.05)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=60) as answer:
            return bytes(answer.read())

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Manager(_Program):
    """`group_wait` 1 s, `group_interval` 2 s; `group_by` everything, so that each alert is a message of its own."""

    def __init__(self, folder: Path, receiver: str, *, wait: str = "1s") -> None:
        super().__init__(folder)
        route = {"receiver": "hook", "group_by": ["..."], "repeat_interval": "1h"}
        route |= {"group_wait": wait, "group_interval": "2s"}
        hook = {"name": "hook", "webhook_configs": [{"url": receiver, "send_resolved": True}]}
        (folder / "config.yml").write_text(json.dumps({"route": route, "receivers": [hook]}))

    def command(self) -> list[str]:
        return [
            str(ALERTMANAGER),
            "--config.file=config.yml",
            "--storage.path=data",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ]

    def alerts(self) -> list[dict[str, Any]]:
        """What it holds now."""
        held: list[dict[str, Any]] = json.loads(self.get("/api/v2/alerts"))
        return held

    def until_received(self, status: str, count: int, timeout_s: float = 60) -> None:
        """Until it has taken so many alerts of this status since it was started."""
        deadline = time.monotonic() + timeout_s
        while (taken := self._received(status)) < count:
            assert time.monotonic() < deadline, f"{taken} of {count} {status} alerts were received"
            time.sleep(0.05)

    def _received(self, status: str) -> float:
        wanted = re.compile(rf'^alertmanager_alerts_received_total{{.*status="{status}".*}} (\S+)$', re.MULTILINE)
        return sum(map(float, wanted.findall(self.get("/metrics").decode())))


class Prometheus(_Program):
    """Scrapes `target` every second, and hands a rule of its own to `manager`."""

    def __init__(self, folder: Path, target: str, manager: Manager, rule: str) -> None:
        super().__init__(folder)
        own = {"name": "own", "interval": "1s", "rules": [{"alert": "Scraped", "expr": rule}]}
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "safelight", "static_configs": [{"targets": [target]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager.port}"]}]}]},
        }
        (folder / "rules.yml").write_text(json.dumps({"groups": [own]}))  # JSON is YAML
        (folder / "prometheus.yml").write_text(json.dumps(settings))

    def command(self) -> list[str]:
        return [
            str(PROMETHEUS),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=tsdb",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=error",
        ]
