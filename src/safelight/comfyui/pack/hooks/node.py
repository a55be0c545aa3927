"""Each attempt that ComfyUI makes at a node. It may take several: lazy inputs, a coroutine, a subgraph.

`execution.execute` is (server, dynprompt, caches, current_item, extra_data, executed, prompt_id, execution_list,
pending_subgraph_results, ...) from 0.1 to 0.38, a coroutine function since 0.3.45, and returns
(result, error, exception).
A node that is known already returns a success without being started or listed among the executed.
"""

from __future__ import annotations

from time import perf_counter_ns

from ..guard import note
from ..recorder import Recorder
from ..run import Node, at_hand
from .patch import Patch, module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from typing import Any

_COROUTINE = 0x80  # CO_COROUTINE


def install(recorder: Recorder) -> list[Any]:
    """Listens around `execution.execute`."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        attempts = _Attempts(recorder)
        if getattr(getattr(original, "__code__", None), "co_flags", 0) & _COROUTINE:

            async def execute_async(*args: Any, **kwargs: Any) -> Any:
                node, token, began = attempts.enter(args)
                try:
                    result = await original(*args, **kwargs)
                except BaseException as error:
                    attempts.escaped(node, token, began, error)
                    raise
                attempts.leave(node, token, began, args, result)
                return result

            return execute_async

        def execute(*args: Any, **kwargs: Any) -> Any:
            node, token, began = attempts.enter(args)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                attempts.escaped(node, token, began, error)
                raise
            if hasattr(result, "__await__"):  # another pack's wrapper around a coroutine function
                return _awaited(attempts, node, token, began, args, result)
            attempts.leave(node, token, began, args, result)
            return result

        return execute

    return [Patch(module("execution"), "execute", wrap)]


def install_inputs(recorder: Recorder) -> list[Any]:
    """Listens at `execution.get_input_data`, which is asked for a node's values right before the node is called."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def get_input_data(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            try:
                node = at_hand.get()
                # Asked for others too: by the validation, and for the nodes of a subgraph before their turn.
                if type(node) is Node and len(args) > 2 and args[2] == node.node_id:
                    recorder.start(node)
                    recorder.took_inputs(node, args[0], result[0] if type(result) is tuple else result)
            except Exception as error:  # noqa: BLE001 - the node comes first
                note("inputs", error)
            return result

        return get_input_data

    return [Patch(module("execution"), "get_input_data", wrap)]


async def _awaited(
    attempts: _Attempts, node: Node | None, token: Token[Any] | None, began: int, args: tuple[Any, ...], coming: Any
) -> Any:
    try:
        result = await coming
    except BaseException as error:
        attempts.escaped(node, token, began, error)
        raise
    attempts.leave(node, token, began, args, result)
    return result


class _Attempts:
    """What is done before and after each. None of it raises."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def enter(self, args: tuple[Any, ...]) -> tuple[Node | None, Token[Any] | None, int]:
        try:
            run = self._recorder.run
            if run is None or args[6] != run.workflow_id:
                return None, None, 0
            node = self._recorder.node(run, args[3], args[1])
            return node, at_hand.set(node), perf_counter_ns()
        except Exception as error:  # noqa: BLE001 - the node comes first
            note("node", error)
            return None, None, 0

    def escaped(self, node: Node | None, token: Token[Any] | None, began: int, error: BaseException) -> None:
        """What ComfyUI does not catch itself, such as SystemExit."""
        if node is None or token is None:
            return
        try:
            at_hand.reset(token)
            node.active_ns += perf_counter_ns() - began
            self._recorder.fail(node, error)
        except Exception as mistake:  # noqa: BLE001 - the node comes first
            note("node", mistake)

    def leave(
        self, node: Node | None, token: Token[Any] | None, began: int, args: tuple[Any, ...], result: Any
    ) -> None:
        if node is None or token is None:
            return
        try:
            node.active_ns += perf_counter_ns() - began
            at_hand.reset(token)
            verdict = result[0].name
            if verdict == "SUCCESS":
                self._succeeded(node, began, args)
            elif verdict == "PENDING":
                self._recorder.pause(node)
            elif type(result[2]).__name__ == "InterruptProcessingException":
                self._recorder.interrupt(node)
            else:
                self._recorder.fail(node, result[2])
        except Exception as error:  # noqa: BLE001 - the node comes first
            note("node", error)

    def _succeeded(self, node: Node, began: int, args: tuple[Any, ...]) -> None:
        if not node.started:
            if node.node_id not in args[5]:
                self._recorder.cached(node.run, (node.node_id,))
                return
            self._recorder.start(node)  # where neither progress nor inputs could be listened to
            node.started = began
        outputs, ui = _kept(args[2], node.node_id)
        self._recorder.finish(node, outputs)
        if ui is not None:
            self._recorder.saved(node, ui)


def _kept(caches: Any, node_id: str) -> tuple[Any, Any]:
    """What ComfyUI keeps of a node: the values of its outputs, and what it shows its user.

    Up to 0.3.67 two caches hold them, later one whose entries have both, and which answers at once by `get_local`.
    """
    look = getattr(caches.outputs, "get_local", None)
    if look is None:
        look = caches.outputs.get
        if getattr(getattr(look, "__code__", None), "co_flags", 0) & _COROUTINE:
            return None, None
    entry = look(node_id)
    if hasattr(entry, "outputs"):
        outputs, ui = entry.outputs, entry.ui
    else:
        outputs, ui = entry, caches.ui.get(node_id) if hasattr(caches, "ui") else None
    return outputs, ui.get("output") if type(ui) is dict else None
