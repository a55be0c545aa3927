"""A run's beginning and end, and what ComfyUI's executor says about it, whether or not a page is there to hear it."""

from __future__ import annotations

from ..guard import note
from ..recorder import Recorder
from ..run import Run, at_hand
from ..worker import Watch
from .patch import Patch, module
from .progress import attach
from .queue import remaining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from typing import Any

_ENDS = frozenset({"execution_success", "execution_error", "execution_interrupted"})


def install(recorder: Recorder, watch: Watch) -> list[Any]:
    """Listens around `PromptExecutor.execute`."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(*args: Any, **kwargs: Any) -> Any:
            run: Run | None = None
            token: Token[Any] | None = None
            try:
                watch.here()
                run = _begin(recorder, args, kwargs)
                token = at_hand.set(run)
            except Exception as error:  # noqa: BLE001 - the run comes first
                note("executor", error)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                _end(recorder, run, error)
                watch.ended_by(error)
                raise
            finally:
                if token is not None:
                    at_hand.reset(token)
            _end(recorder, run, None)
            return result

        return execute

    return [Patch(module("execution").PromptExecutor, "execute", wrap)]


def install_messages(recorder: Recorder) -> list[Any]:
    """Listens at `PromptExecutor.add_message`."""

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def add_message(*args: Any, **kwargs: Any) -> Any:
            try:
                event = args[1] if len(args) > 1 else kwargs["event"]
                data = args[2] if len(args) > 2 else kwargs["data"]
                _hear(recorder, event, data)
            except Exception as error:  # noqa: BLE001 - the run comes first
                note("messages", error)
            return original(*args, **kwargs)

        return add_message

    return [Patch(module("execution").PromptExecutor, "add_message", wrap)]


def _begin(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Run:
    prompt = args[1] if len(args) > 1 else kwargs["prompt"]
    workflow_id = args[2] if len(args) > 2 else kwargs["prompt_id"]
    queue = getattr(getattr(args[0], "server", None), "prompt_queue", None)
    waiting = remaining(queue) if hasattr(queue, "currently_running") else None
    return recorder.begin(str(workflow_id), prompt, waiting)


def _end(recorder: Recorder, run: Run | None, error: BaseException | None) -> None:
    try:
        if run is not None:
            recorder.end(run, error)
    except Exception as mistake:  # noqa: BLE001 - the run comes first
        note("executor", mistake)


def _hear(recorder: Recorder, event: str, data: dict[str, Any]) -> None:
    run = recorder.run
    if event == "execution_start" and run is None:  # where execute itself could not be listened to
        recorder.begin(str(data["prompt_id"]), {}, None).unwrapped = True
    elif run is None or run.workflow_id != data.get("prompt_id"):
        return
    elif event == "execution_cached":
        recorder.cached(run, data["nodes"])
        attach(recorder)
    elif event in _ENDS:
        run.outcome = (event, data)
        if run.unwrapped:
            recorder.end(run)
