"""The steps inside a node, by ComfyUI's own interface for them (since 0.3.45).

ComfyUI makes a new registry for each prompt and forgets its handlers, so ours is added again each time.
"""

from __future__ import annotations

import sys

from ..guard import note, quiet
from ..recorder import Recorder
from ..run import Node, at_hand
from .patch import Unavailable, module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_handlers: dict[int, Any] = {}  # by recorder: one, but for tests


def install(recorder: Recorder) -> list[Any]:
    """Makes the handler, for `attach` to add."""
    progress = module("comfy_execution.progress")
    if not hasattr(progress, "add_progress_handler"):
        raise Unavailable("comfy_execution.progress has no function add_progress_handler")
    _handlers[id(recorder)] = _handler(progress.ProgressHandler, recorder)
    return [_Handler(recorder)]


def attach(recorder: Recorder) -> None:
    """Adds the handler to the registry of the prompt that begins."""
    handler = _handlers.get(id(recorder))
    if handler is not None:
        try:
            sys.modules["comfy_execution.progress"].add_progress_handler(handler)
        except Exception as error:  # noqa: BLE001 - the run comes first
            note("progress", error)


class _Handler:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def remove(self) -> bool:
        return _handlers.pop(id(self._recorder), None) is not None


def _handler(base: type[Any], recorder: Recorder) -> Any:
    class Steps(base):  # type: ignore[misc] # ComfyUI's class
        """Hears of each step. ComfyUI calls it without protection: nothing may come out of it."""

        def __init__(self) -> None:
            super().__init__("safelight")

        @quiet("progress")
        def start_handler(self, node_id: str, *_: Any, **__: Any) -> None:
            node = at_hand.get()
            if type(node) is Node and node.node_id == node_id:
                recorder.start(node)

        @quiet("progress")
        def update_handler(self, node_id: str, value: float, max_value: float, *_: Any, **__: Any) -> None:
            if (run := recorder.run) is not None:
                recorder.progress(run, node_id, value, max_value)

    return Steps()
