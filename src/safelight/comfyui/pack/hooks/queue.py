"""What is put into ComfyUI's queue, and what is taken out of it before its turn.

An item is (number, id, prompt, extra_data, outputs) and, since 0.3.68, a dictionary of API keys.
"""

from __future__ import annotations

from ..guard import note
from ..submission import Submissions
from .patch import Patch, Unavailable, module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def install(submissions: Submissions) -> list[Any]:
    """Listens at `put`, and where they exist at the two ways out."""
    queue = module("execution").PromptQueue

    def put(original: Callable[..., Any]) -> Callable[..., Any]:
        def listening(*args: Any, **kwargs: Any) -> Any:
            try:
                # Before the original: its item may be running by the time that returns.
                submissions.queued(args[1] if len(args) > 1 else kwargs["item"], remaining(args[0]) + 1)
            except Exception as error:  # noqa: BLE001 - the prompt comes first
                note("queue", error)
            return original(*args, **kwargs)

        return listening

    def taking(original: Callable[..., Any]) -> Callable[..., Any]:
        def listening(*args: Any, **kwargs: Any) -> Any:
            before = _waiting(args[0])
            result = original(*args, **kwargs)
            try:
                if before:
                    kept = _waiting(args[0]).keys() | _running(args[0])
                    for workflow_id in before:
                        if workflow_id not in kept:
                            submissions.withdrawn(workflow_id)
            except Exception as error:  # noqa: BLE001 - the queue comes first
                note("queue", error)
            return result

        return listening

    patches = [Patch(queue, "put", put)]
    for name in ("wipe_queue", "delete_queue_item"):
        try:
            patches.append(Patch(queue, name, taking))
        except Unavailable as reason:
            note("queue", reason)
    return patches


def remaining(queue: Any) -> int:
    """The prompts waiting and running."""
    return len(queue.queue) + len(queue.currently_running)


def _waiting(queue: Any) -> dict[str, None]:
    try:
        return dict.fromkeys(str(item[1]) for item in list(queue.queue))
    except Exception as error:  # noqa: BLE001 - another form of queue
        note("queue", error)
        return {}


def _running(queue: Any) -> set[str]:
    return {str(item[1]) for item in list(queue.currently_running.values())}
