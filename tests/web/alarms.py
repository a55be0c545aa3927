"""A studio in which things go wrong now: what the Alerts pages are looked at with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.providers import Provider
from web import mishaps
from web.serving import Server, serving

HOSTILE = mishaps.HOSTILE
RULES = """
[server]
url = "https://safelight.example"

[[channels]]
type = "webhook"
name = "team"
url = "{team}"
severity = 1
allow_private = true

[[channels]]
type = "webhook"
name = "pager"
url = "{pager}"
severity = 3
allow_private = true

[[channels]]
type = "webhook"
name = "night"
url = "{team}"
severity = 3
digest = false
allow_private = true

[[rules]]
id = "gpu-memory"
when = "any error_group:gpu_oom*"
title = "A card ran out of memory"
severity = 3
inhibit = ["any-error", "oom", "error-rate", "failures-in-a-row"]
channels = ["team"]
then = [{{ free_memory = {{}} }}]

[[rules]]
id = "paper"
when = "any service:printer"
channels = ["team"]

[[rules]]
id = "ink"
when = "any service:plotter"
severity = 3
channels = ["pager"]

[[rules]]
id = "on-trial"
when = "any service:press"
shadow = true

[[rules]]
id = "bad"
when = "failure rate > 15 over 15m"
"""


@dataclass
class Studio:
    """The server, and the peers of its channels."""

    server: Server
    team: Provider
    pager: Provider

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.server.url

    def fail(self, service: str = "printer", **event: Any) -> None:
        """Something goes wrong now."""
        self.server.write(**{"level": "ERROR", "service": service, "message": "paper jam in tray 2"} | event)

    def out_of_memory(self) -> None:
        """A node of ComfyUI runs out of memory."""
        about = {"event": "node_failed", "node": "VAEDecode", "node_id": "8", "instance": "gpu-1"}
        said = {"error_type": "torch.OutOfMemoryError", "error_message": "Allocation on device 0 would exceed memory"}
        self.fail("comfyui", **about, **said, message=said["error_message"], traceback=mishaps.DECODE)

    def alert(self, rule: str, within_s: float = 30, **labels: str) -> dict[str, Any]:
        """The newest alert of a rule with these labels, as soon as there is one."""
        deadline = time.monotonic() + within_s
        while True:
            for alert in self.server.running.get("/alerts", rule=rule)["alerts"]:
                if alert["labels"] | labels == alert["labels"]:
                    return dict(alert)
            assert time.monotonic() < deadline, f"no alert of {rule} within {within_s} s"
            time.sleep(0.05)


@contextmanager
def studio(folder: Path, *options: str, port: int = 0) -> Iterator[Studio]:
    """A server with three weeks of mishaps behind it, two peers, rules of its file and one that is left out."""
    with Provider() as team, Provider() as pager:
        config = RULES.format(team=team.url, pager=pager.url)
        (folder / "data").mkdir(exist_ok=True)
        if not any((folder / "data").iterdir()):
            mishaps.fill(folder / "data")
        with serving(folder, *options, port=port, config=config) as server:
            yield Studio(server, team, pager)
