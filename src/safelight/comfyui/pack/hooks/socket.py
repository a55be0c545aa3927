"""What ComfyUI tells its page and nobody else: that a node was given an ExecutionBlocker."""

from __future__ import annotations

from ..guard import note
from ..recorder import Recorder
from .patch import Patch, module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def install(recorder: Recorder) -> list[Any]:
    """Listens at `PromptServer.send_sync`, which is called for every message to a page, from any thread."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def send_sync(*args: Any, **kwargs: Any) -> Any:
            if len(args) > 2 and args[1] == "execution_error":
                try:
                    _hear(recorder, args[2])
                except Exception as error:  # noqa: BLE001 - the page comes first
                    note("socket", error)
            return original(*args, **kwargs)

        return send_sync

    return [Patch(module("server").PromptServer, "send_sync", wrap)]


def _hear(recorder: Recorder, data: dict[str, Any]) -> None:
    run = recorder.run
    if data.get("exception_type") == "ExecutionBlocked" and run is not None and data["prompt_id"] == run.workflow_id:
        message = str(data.get("exception_message", "")).removeprefix("Execution Blocked: ")
        recorder.blocked(run, str(data["node_id"]), message)
