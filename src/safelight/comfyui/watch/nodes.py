"""Nodes of runs that no client claims: ComfyUI sends their `progress_state` to every socket, ours too.

Of other runs nothing is heard while they run. The message has no times: these are times of arrival, late by up to 1.5 s
when ComfyUI's event loop is kept waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ...event import Name
from ..pack import graph
from .snapshot import Prompt
from .telling import Event, Teller

PROGRESS_EVERY_MS: Final = 1_000


@dataclass(slots=True)
class _Run:
    prompt: Prompt
    started_ms: dict[str, int] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    steps: dict[str, tuple[float, int]] = field(default_factory=dict)
    """By node: the value last told, and when."""
    last: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Moved:
    """A run got on, and is at this node now."""

    run_id: str
    node: str | None
    node_id: str | None


class Nodes:
    """What the messages of the runs at hand have said so far."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._runs: dict[str, _Run] = {}

    def at_hand(self, prompts: tuple[Prompt, ...]) -> None:
        """These run or have just ended, and no others."""
        self._runs = {prompt.run_id: self._runs.get(prompt.run_id) or _Run(prompt) for prompt in prompts}

    def heard(self, message: dict[str, Any], at_ms: int) -> Iterator[Event | Moved]:
        """Nodes that started or finished since the message before."""
        run = self._runs.get(str(message.get("prompt_id")))
        nodes = message.get("nodes")
        if run is None or not isinstance(nodes, dict) or nodes == run.last:
            return
        run.last = nodes
        now: tuple[str | None, str | None] = (None, None)
        for node_id, said in nodes.items():
            if not isinstance(said, dict) or node_id in run.finished:
                continue
            origin = str(said.get("real_node_id") or said.get("display_node_id") or node_id)
            node = run.prompt.class_of(node_id) or (run.prompt.class_of(origin) if origin == node_id else None)
            fields = {
                "node": node,
                "node_id": node_id,
                "title": graph.title(run.prompt.prompt.get(node_id)),
                "display_id": said.get("display_node_id") if said.get("display_node_id") != node_id else None,
                "parent_id": said.get("parent_node_id"),
                "timed_by": "arrival",
            }
            run_id = run.prompt.run_id
            if said.get("state") == "running":
                now = (node, node_id)
                if node_id not in run.started_ms:
                    run.started_ms[node_id] = at_ms
                    yield self._teller.event(Name.NODE_STARTED, at_ms, run_id, ordinal=node_id, **fields)
                yield from self._progress(run, node_id, node, said, at_ms)
            elif said.get("state") == "finished":
                run.finished.add(node_id)
                if (began := run.started_ms.get(node_id)) is not None:  # else cached, or it began before we listened
                    took = at_ms - began
                    yield self._teller.event(
                        Name.NODE_FINISHED, at_ms, run_id, ordinal=node_id, duration_ms=took, **fields
                    )
        yield Moved(run.prompt.run_id, *now)

    def _progress(self, run: _Run, node_id: str, node: str | None, said: dict[str, Any], at_ms: int) -> Iterator[Event]:
        """The first step and the last, and one a second between them."""
        value, most = said.get("value"), said.get("max")
        if not isinstance(value, int | float) or not isinstance(most, int | float) or most <= 1 or value <= 0:
            return
        last = run.steps.get(node_id)
        if last and (last[0] == value or (value < most and at_ms - last[1] < PROGRESS_EVERY_MS)):
            return
        run.steps[node_id] = (value, at_ms)
        where = {"node": node, "node_id": node_id, "value": value, "max": most}
        ordinal = f"{node_id}/{value:g}"
        yield self._teller.event(Name.NODE_PROGRESS, at_ms, run.prompt.run_id, level="DEBUG", ordinal=ordinal, **where)
