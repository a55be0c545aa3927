"""Which models ComfyUI loads and unloads, seen by comparing its list of loaded models with the last look at it.

ComfyUI also drops models in passing, when nothing refers to them any more: that is told at the next look, which is no
later than the next run.
"""

from __future__ import annotations

import sys
from time import perf_counter_ns

from ..guard import note
from ..memory import MB, model_name
from ..recorder import Recorder
from ..run import Node, Run, at_hand
from .patch import Patch, Unavailable, module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def install(recorder: Recorder, append: Callable[..., None]) -> list[Any]:
    """Listens around `load_models_gpu`, and where they exist around the ways to be rid of models."""
    manager = module("comfy.model_management")
    if not isinstance(getattr(manager, "current_loaded_models", None), list):
        raise Unavailable("comfy.model_management has no list current_loaded_models")
    models = _Models(manager, append)

    def loading(original: Callable[..., Any]) -> Callable[..., Any]:
        def load_models_gpu(*args: Any, **kwargs: Any) -> Any:
            models.look()
            began = perf_counter_ns()
            result = original(*args, **kwargs)
            models.look(round((perf_counter_ns() - began) / 1e6, 3))
            return result

        return load_models_gpu

    def unloading(original: Callable[..., Any]) -> Callable[..., Any]:
        def unload_all_models(*args: Any, **kwargs: Any) -> Any:
            try:
                node = at_hand.get()
                # In an exception's handler it is ComfyUI's answer to a lack of memory: who held it is known only now.
                if type(node) is Node and node.ledger is None and sys.exc_info()[1] is not None:
                    recorder.note_memory(node)
            except Exception as error:  # noqa: BLE001 - the node comes first
                note("models", error)
            result = original(*args, **kwargs)
            models.look()
            return result

        return unload_all_models

    def cleaning(original: Callable[..., Any]) -> Callable[..., Any]:
        def cleanup_models_gc(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            models.look()
            return result

        return cleanup_models_gc

    patches = [Patch(manager, "load_models_gpu", loading)]
    for name, wrap in (("unload_all_models", unloading), ("cleanup_models_gc", cleaning)):
        if hasattr(manager, name):
            patches.append(Patch(manager, name, wrap))
    return patches


class _Models:
    """The loaded models by identity, each with what is told of it: once gone, it could not be asked any more.

    ComfyUI's entries refer weakly to the models, so keeping them keeps no memory.
    """

    def __init__(self, manager: Any, append: Callable[..., None]) -> None:
        self._manager, self._append = manager, append
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}

    def look(self, load_ms: float | None = None) -> None:
        """Tells what has come and gone since the last look. Never raises."""
        try:
            entries = {id(entry): entry for entry in list(self._manager.current_loaded_models)}
            if entries.keys() == self._known.keys():
                return
            where = _where()
            for key in self._known.keys() - entries.keys():
                self._append("model_unloaded", "INFO", {**where, **self._known.pop(key)[1]})
            for key in entries.keys() - self._known.keys():
                fields = _fields(entries[key])
                self._known[key] = (entries[key], fields)
                took = {} if load_ms is None else {"load_ms": load_ms}
                self._append("model_loaded", "INFO", {**where, **fields, **took})
        except Exception as error:  # noqa: BLE001 - the node comes first
            note("models", error)


def _fields(entry: Any) -> dict[str, Any]:
    patcher = entry.model
    if patcher is None:
        return {"model": "unknown"}
    size = round(entry.model_memory() / MB, 1)
    return {"model": model_name(patcher), "model_mb": size, "device": str(getattr(entry, "device", ""))}


def _where() -> dict[str, Any]:
    here = at_hand.get()
    if type(here) is Node:
        return {"workflow_id": here.run.workflow_id, "node": here.node, "node_id": here.node_id}
    return {"workflow_id": here.workflow_id} if type(here) is Run else {}
