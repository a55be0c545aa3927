"""The run at hand and its nodes, as they are known so far, and whose code is running right now.

A context variable says whose: asyncio takes it into the tasks of asynchronous nodes by itself, so that what two of them
print at once is told apart. Only ComfyUI's worker writes to a run; others read single attributes.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Node:
    """One node of a run, from its first start to its end. Times in ns."""

    __slots__ = (
        "active_ns",
        "before",
        "display_id",
        "error",
        "inputs",
        "ledger",
        "list_length",
        "node",
        "node_id",
        "parent_id",
        "previews",
        "progress_at",
        "run",
        "started",
        "started_at",
        "title",
        "told",
        "value",
    )

    def __init__(self, run: Run, node_id: str, node: str, title: str | None) -> None:
        self.run, self.node_id, self.node, self.title = run, node_id, node, title
        self.display_id: str | None = None  # of the node in the submitted prompt, when a subgraph was expanded
        self.parent_id: str | None = None
        self.started = 0  # perf_counter_ns; 0: not yet
        self.started_at = 0  # since 1970
        self.active_ns = 0  # inside ComfyUI's calls: an asynchronous node waits outside of them
        self.before: Any = None  # the memory at its start
        self.inputs: dict[str, Any] | None = None  # ComfyUI's own values, let go when its call returns
        self.previews: dict[str, Any] | None = None
        self.list_length = 0
        self.ledger: dict[str, Any] | None = None
        self.error: tuple[str, str] | None = None  # type and message, once it has failed
        self.progress_at = 0
        self.value: tuple[float, float] | None = None  # value and maximum last told
        self.told: tuple[float, float] | None = None


class Run:
    """One prompt in the hands of ComfyUI's worker."""

    __slots__ = (
        "cached",
        "ended",
        "executed",
        "failed",
        "interrupted",
        "nodes",
        "outcome",
        "prompt",
        "ram_peak_mb",
        "secrets",
        "started",
        "started_at",
        "unwrapped",
        "vram_peak_mb",
        "workflow_id",
    )

    def __init__(self, workflow_id: str, prompt: dict[str, Any]) -> None:
        self.workflow_id = workflow_id
        self.prompt = prompt
        self.started = 0  # perf_counter_ns
        self.started_at = 0  # ns since 1970
        self.nodes: dict[str, Node] = {}  # started and not over
        self.cached: set[str] = set()
        self.executed = 0
        self.secrets: frozenset[str] = frozenset()  # what the prompt names as such: hidden wherever it stands
        self.failed: Node | None = None
        self.interrupted: Node | None = None
        self.outcome: tuple[str, dict[str, Any]] | None = None  # ComfyUI's last word on it, and what it said
        self.vram_peak_mb: float | None = None
        self.ram_peak_mb: float | None = None
        self.ended = False
        self.unwrapped = False  # nobody will tell when ComfyUI's call returns: its last word is the end


at_hand: ContextVar[Node | Run | None] = ContextVar("safelight_at_hand", default=None)
"""What runs in this context: a node, or a run between two nodes."""


def current() -> tuple[str, str | None, str | None] | None:
    """`(workflow_id, node, node_id)` of what runs here, in this thread or task; None outside of runs."""
    here = at_hand.get()
    if here is None:
        return None
    if type(here) is Node:
        return here.run.workflow_id, here.node, here.node_id
    return (here.workflow_id, None, None) if type(here) is Run else None
