"""The pack's start: everything is put together here, once a process, when ComfyUI loads the pack.

Nothing of it may keep ComfyUI from starting: a part that fails is left out, and becomes a `hook_unavailable` event.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from typing import NamedTuple

from . import guard, routes, settings
from .console import Console
from .document import scrub_argv
from .hooks import Hooks
from .images import Images
from .memory import Memory
from .recorder import Recorder
from .run import Run
from .safelight_emit import emit
from .safelight_emit.encode import stamp
from .safelight_emit.spool import host_name
from .sampler import Sampler
from .submission import Submissions
from .worker import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

QUEUE = 40_000
"""Events that may wait for the disk: a graph of 10,000 nodes that are all cached tells 10,000 of them at once."""

_logger = logging.getLogger("safelight")
_MARK = "_safelight_pack"  # on ComfyUI's `execution`: a second copy of the pack would tell everything twice
_VERSION = re.compile(r'^version\s*=\s*"([^"]{1,50})"', re.MULTILINE)


class Pack(NamedTuple):
    """The pack at work."""

    hooks: Hooks
    recorder: Recorder
    state: routes.State


def start() -> Pack | None:
    """Listens from now on. None when another copy of the pack does already, or when nothing works here."""
    try:
        execution: Any = sys.modules.get("execution")
        if getattr(execution, _MARK, None):
            _logger.warning("Safelight is installed twice: this copy, %s, stays idle", os.path.dirname(__file__))
            return None
        pack = _start()
        if execution is not None:
            setattr(execution, _MARK, pack)
    except Exception as error:  # noqa: BLE001 - ComfyUI starts in any case
        _logger.warning("Safelight could not start: %s: %s", type(error).__name__, error)
        return None
    return pack


def _start() -> Pack:
    said = settings.load()
    instance = said.instance or f"{host_name()}:{port()}"
    emit.configure(service="comfyui", instance=instance, directory=said.spool, queue=QUEUE)
    version = pack_version()
    state = routes.State(said, instance, version)

    def append(name: str, level: str, fields: dict[str, Any], moment: int = 0) -> None:
        emit.append(name, level, fields, moment)
        if level == "ERROR":
            state.note(name, fields, moment)

    guard.report_to(lambda hook, error: _unavailable(append, hook, f"{type(error).__name__}: {error}"))
    memory = Memory()
    recorder = Recorder(append, memory, Sampler(memory, append), Images(append), texts=said.prompt_preview)
    watch = Watch(append)
    hooks = Hooks(recorder, Submissions(append, recorder.queued), watch, append)
    state.hooks, missing = hooks.install()
    state.run, state.worker_alive = lambda: at_hand(recorder.run), lambda: watch.alive
    append("instance_started", "INFO", {**environment(), "pack_version": version, "hooks": state.hooks})
    for hook, reason in missing.items():
        _unavailable(append, hook, reason)
    parts: dict[str, Callable[[], None]] = {"console": Console(append).install, "routes": lambda: _serve(state)}
    for hook, install in parts.items():
        try:
            install()
            state.hooks.append(hook)
        except Exception as error:  # noqa: BLE001 - the others work without it
            _unavailable(append, hook, f"{type(error).__name__}: {error}")
    _logger.info("Safelight %s: %s, every run is written down", version, instance)
    return Pack(hooks, recorder, state)


def port() -> int:
    """Where ComfyUI will listen."""
    return int(getattr(getattr(sys.modules.get("comfy.cli_args"), "args", None), "port", 8188))


def pack_version() -> str:
    """The version that the pack's `pyproject.toml` says."""
    try:
        with open(os.path.join(os.path.dirname(__file__), "pyproject.toml"), encoding="utf-8") as file:
            found = _VERSION.search(file.read(100_000))
    except OSError:
        return "unknown"
    return found[1] if found else "unknown"


def environment() -> dict[str, Any]:
    """What ComfyUI runs on, without asking a device for anything."""
    manager: Any = sys.modules.get("comfy.model_management")
    fields: dict[str, Any] = {
        "comfyui_version": _version_of("comfyui_version"),
        "python_version": sys.version.split()[0],
        "torch_version": _version_of("torch"),
        "argv": scrub_argv(sys.argv),
    }
    try:
        fields["device"] = str(manager.get_torch_device())
        if not fields["device"].startswith("cpu"):
            fields["vram_total_mb"] = round(float(manager.total_vram), 1)
    except Exception as error:  # noqa: BLE001 - an older ComfyUI, or none
        guard.note("environment", error)
    return {name: value for name, value in fields.items() if value is not None}


def at_hand(run: Run | None) -> dict[str, Any] | None:
    """The run at hand: its nodes that are not over, the first of them once more on top, and how far it has come."""
    if run is None:
        return None
    nodes = [
        {
            "node_id": node.node_id,
            "node": node.node,
            "started_at": stamp(node.started_at),
            "value": node.value[0] if node.value else None,
        }
        for node in list(run.nodes.values())[:50]
    ]
    first = {name: nodes[0][name] for name in ("node", "node_id", "value")} if nodes else {}
    return {
        "workflow_id": run.workflow_id,
        "started_at": stamp(run.started_at),
        "executed": run.executed,
        "cached": len(run.cached),
        **first,
        "nodes": nodes,
    }


def _serve(state: routes.State) -> None:
    server: Any = sys.modules["server"]
    routes.install(server.PromptServer.instance.routes, state)


def _unavailable(append: Callable[..., None], hook: str, reason: str) -> None:
    append("hook_unavailable", "WARNING", {"hook": hook, "reason": reason[:500]})


def _version_of(module: str) -> str | None:
    version = getattr(sys.modules.get(module), "__version__", None)
    return None if version is None else str(version)
