"""A studio in which things go wrong now: what the Alerts pages are looked at with."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
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
resolve_after = "1d"
then = [{{ free_memory = {{}} }}]

[[rules]]
id = "paper"
when = "any service:printer"
channels = ["team"]
resolve_after = "1d"

[[rules]]
id = "ink"
when = "any service:plotter"
severity = 3
channels = ["pager"]
resolve_after = "1d"

[[rules]]
id = "on-trial"
when = "any service:press"
shadow = true
resolve_after = "1d"

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

    def alert(self, rule: str, within_s: float = 60, **labels: str) -> dict[str, Any]:
        """The newest alert of a rule with these labels, as soon as there is one."""
        deadline = time.monotonic() + within_s
        while True:
            for alert in self.server.running.get("/alerts", rule=rule)["alerts"]:
                if alert["labels"] | labels == alert["labels"]:
                    return dict(alert)
            assert time.monotonic() < deadline, f"no alert of {rule} within {within_s} s"
            time.sleep(0.05)

    def settled(self, alerts: Mapping[str, int], unheard: str, within_s: float = 60) -> None:
        """Return when there are at least so many alerts of each rule, and messages wait only for the channel `unheard`.

        Rules are judged at different moments, so that the list goes on growing for seconds after its first alert.
        """
        deadline = time.monotonic() + within_s
        while True:
            found = self.server.running.get("/alerts", limit=200)["alerts"]
            told = [one for alert in found for one in alert["notifications"] if one["channel"] != unheard]
            there = Counter(alert["rule"] for alert in found)
            if Counter(alerts) <= there and all(one["status"] != "waiting" for one in told):
                return
            assert time.monotonic() < deadline, f"{there} and {told} after {within_s} s, not {alerts} told"
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
