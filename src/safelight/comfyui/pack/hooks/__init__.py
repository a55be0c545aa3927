"""Where the pack listens inside ComfyUI: one module a place, each installed on its own and each optional.

    request     POST /prompt: who asks, what validation says        middleware, execution.validate_prompt
    queue       what is queued, and what is taken out again         execution.PromptQueue
    executor    a run's beginning, end and messages                 execution.PromptExecutor
    node        each attempt at a node, and its inputs              execution.execute, execution.get_input_data
    progress    the steps inside a node                             comfy_execution.progress
    socket      blocked nodes, which nothing else tells             server.PromptServer.send_sync
    models      what is loaded and unloaded                         comfy.model_management

A hook looks for its place when it is installed and raises `Unavailable` when ComfyUI has none. The original is called
exactly once whatever happens in ours; what it returns or raises goes on untouched.
"""

from __future__ import annotations

from . import executor, models, node, progress, queue, request, socket
from .patch import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..recorder import Recorder
    from ..submission import Submissions
    from ..worker import Watch


class Hooks:
    """All of them, installed together and taken back together."""

    def __init__(self, recorder: Recorder, submissions: Submissions, watch: Watch, append: Callable[..., None]) -> None:
        self._places: dict[str, Callable[[], list[Any]]] = {
            "request": lambda: request.install(submissions),
            "queue": lambda: queue.install(submissions),
            "executor": lambda: executor.install(recorder, watch),
            "messages": lambda: executor.install_messages(recorder),
            "progress": lambda: progress.install(recorder),
            "node": lambda: node.install(recorder),
            "inputs": lambda: node.install_inputs(recorder),
            "socket": lambda: socket.install(recorder),
            "models": lambda: models.install(recorder, append),
        }
        self._patches: list[Any] = []

    def install(self) -> tuple[list[str], dict[str, str]]:
        """The names of those that are in place, and why the others are not."""
        installed, missing = [], {}
        for name, place in self._places.items():
            try:
                self._patches += place()
                installed.append(name)
            except Unavailable as reason:
                missing[name] = str(reason)
            except Exception as error:  # noqa: BLE001 - a ComfyUI that we do not know
                missing[name] = f"{type(error).__name__}: {error}"
        return installed, missing

    def remove(self) -> bool:
        """Takes them back, the last first; False when others lie on top of some, which stay then."""
        kept = [patch for patch in reversed(self._patches) if not patch.remove()]
        self._patches = kept[::-1]
        return not kept
