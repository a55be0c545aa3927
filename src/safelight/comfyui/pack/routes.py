"""The pack's two routes in ComfyUI's own server.

    GET  /safelight/state       how the pack fares, for the sidebar and for Safelight's watcher: see `State.as_json`
    POST /safelight/inventory   {"prompt": {...}}: what that prompt needs here, for bundles: see `inventory.take`

They say nothing that ComfyUI's own routes keep from whoever can reach them, except the folder of the spool.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from time import time_ns

from . import guard
from .safelight_emit.emit import health
from .safelight_emit.encode import stamp
from .safelight_emit.spool import host_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .settings import Settings

FAILURES = 10
MESSAGE = 300  # characters of a failure's message


class State:
    """What `/safelight/state` answers. Whoever knows more sets it: `hooks`, `run`, `worker_alive`."""

    def __init__(self, settings: Settings, instance: str | None, pack_version: str) -> None:
        self.instance = instance
        self.pack_version = pack_version
        self.url = settings.url
        self.hooks: list[str] = []
        self.run: Callable[[], dict[str, Any] | None] = _nothing
        self.worker_alive: Callable[[], bool | None] = _nothing
        self._failures: deque[dict[str, Any]] = deque(maxlen=FAILURES)

    def note(self, event: str, fields: dict[str, Any], moment: int = 0) -> None:
        """Remembers a failure, if `event` is one. Of a run that failed in a node, the node's."""
        if event in {"node_failed", "run_rejected"} or (event == "run_failed" and "node" not in fields):
            shown = ("workflow_id", "node", "node_id", "error_type")
            kept = {name: fields[name] for name in shown if fields.get(name) is not None}
            kept["message"] = str(fields.get("error_message") or "")[:MESSAGE]
            self._failures.appendleft({"at": stamp(moment or time_ns()), "event": event, **kept})

    def as_json(self) -> dict[str, Any]:
        """The state: `spool` is the folder of this process, None until something was written."""
        writer = health()
        return {
            "pack_version": self.pack_version,
            "instance": self.instance,
            "host": host_name(),
            "pid": os.getpid(),
            "spool": writer.pop("folder"),
            "health": writer,
            "worker_alive": self.worker_alive(),
            "hooks": self.hooks,
            "mistakes": dict(guard.mistakes),
            "run": self.run(),
            "failures": list(self._failures),
            "url": self.url,
        }


def install(routes: Any, state: State) -> None:
    """Adds both routes to ComfyUI's table (`PromptServer.instance.routes`). Only while packs are loaded."""
    web: Any = sys.modules["aiohttp.web"]

    async def safelight_state(_: Any) -> Any:
        return web.json_response(state.as_json())

    async def safelight_inventory(request: Any) -> Any:
        import asyncio  # noqa: PLC0415 - loaded long ago by the server that calls this

        try:
            body = await request.json()
        except ValueError:
            return web.json_response({"error": "The body is no JSON."}, status=400)
        prompt = body.get("prompt") if isinstance(body, dict) else None
        if not isinstance(prompt, dict):
            return web.json_response({"error": 'Send {"prompt": {...}}, the prompt in its API form.'}, status=400)
        return web.json_response(await asyncio.get_running_loop().run_in_executor(None, _inventory, prompt))

    routes.get("/safelight/state")(safelight_state)
    routes.post("/safelight/inventory")(safelight_inventory)


_one_at_a_time = threading.Lock()  # two at once would only read the disk against each other


def _inventory(prompt: dict[str, Any]) -> dict[str, Any]:
    from . import inventory  # noqa: PLC0415 - hashlib and re, only when a bundle is made

    with _one_at_a_time:
        return inventory.take(prompt)


def _nothing() -> None:
    return None
