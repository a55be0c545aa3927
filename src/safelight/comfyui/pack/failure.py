"""An exception of somebody else's, as an event tells it: secrets hidden, and whatever it does when asked."""

from __future__ import annotations

import os
import sys

from .document import hide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OURS = os.path.dirname(__file__) + os.sep


def type_name(error: BaseException | None) -> str:
    """The class with its module, as ComfyUI says it: "torch.OutOfMemoryError", but "ValueError"."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message(error: BaseException | None) -> str:
    """What it says of itself."""
    try:
        return hide(str(error)).strip()
    except Exception:  # noqa: BLE001 - its __str__ is a custom node's
        return f"<{type(error).__name__}, not printable>"


def trace(error: BaseException | None) -> str:
    """Where it came from, causes included; empty when that is not known."""
    if error is None or error.__traceback__ is None:
        return ""
    traceback: Any = sys.modules.get("traceback")  # which ComfyUI's execution has loaded
    begin: Any = error.__traceback__
    while begin.tb_next is not None and begin.tb_frame.f_code.co_filename.startswith(_OURS):
        begin = begin.tb_next  # the hook that the error passes on its way out
    try:
        return hide("".join(traceback.format_exception(type(error), error, begin)).rstrip("\n"))
    except Exception:  # noqa: BLE001 - formatting calls __str__ of the whole chain
        return ""


def blamed(said: dict[str, Any]) -> dict[str, Any]:
    """`node` and `node_id` of a message of ComfyUI's executor, if it names one."""
    node_id = said.get("node_id")
    return {} if node_id is None else {"node": str(said.get("node_type", "")), "node_id": str(node_id)}
