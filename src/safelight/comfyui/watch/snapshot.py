"""Answers of ComfyUI as values: what is queued, what has ended. Unknown fields and odd shapes are passed over.

Shapes are those of 0.3.64 and 0.27.0; what older and newer versions leave out is None here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

_PLACES: Final = frozenset({"workflow_id", "node", "node_id", "value", "executed", "cached"})
_WHEN: Final = re.compile(r"^\d{4}-\d\d-\d\dT\S+ ")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as it was queued."""

    run_id: str
    number: float | None
    prompt: dict[str, Any]
    extra: dict[str, Any]
    outputs: tuple[str, ...] | None
    """The output nodes that passed validation; None when it does not say."""

    @classmethod
    def of(cls, item: Any) -> Prompt | None:
        """From `[number, run id, prompt, extra_data, outputs, ...]`."""
        if not isinstance(item, list) or len(item) < 2 or not isinstance(item[1], str):
            return None
        padded = [*item, None, None, None]
        number = item[0] if isinstance(item[0], int | float) and not isinstance(item[0], bool) else None
        outputs = tuple(map(str, padded[4])) if isinstance(padded[4], list) else None
        return cls(item[1], number, _table(padded[2]), _table(padded[3]), outputs)

    @property
    def queued_ms(self) -> int | None:
        """When it was queued, since 1970; ComfyUI says so from 0.3.69 on."""
        return _milliseconds(self.extra.get("create_time"))

    def class_of(self, node_id: str) -> str | None:
        """The class of one of its nodes."""
        found = _table(self.prompt.get(node_id)).get("class_type")
        return found if isinstance(found, str) else None

    def loose_ends(self) -> list[str]:
        """Nodes that nothing takes from and that will not run: outputs that failed validation are among them."""
        if self.outputs is None:
            return []
        taken = {
            value[0]
            for node in self.prompt.values()
            for value in _table(_table(node).get("inputs")).values()
            if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
        }
        return [node_id for node_id in self.prompt if node_id not in taken and node_id not in self.outputs]


class Outcome(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, as the history keeps it."""

    prompt: Prompt
    outcome: Outcome
    started_ms: int | None
    ended_ms: int | None
    cached: tuple[str, ...]
    message: dict[str, Any]
    """What `execution_error` or `execution_interrupted` said."""
    outputs: dict[str, Any]

    @classmethod
    def of(cls, run_id: str, entry: Any) -> Ended | None:
        """From an entry of the history. An interrupted run's status is "error": only the message tells them apart."""
        if not isinstance(entry, dict):
            return None
        prompt = Prompt.of(entry.get("prompt")) or Prompt(run_id, None, {}, {}, None)
        status = _table(entry.get("status"))
        said: dict[str, dict[str, Any]] = {}
        for message in status.get("messages") or ():
            if isinstance(message, list) and len(message) == 2 and isinstance(message[0], str):
                said[message[0]] = _table(message[1])
        outcome, message = Outcome.FINISHED, said.get("execution_success", {})
        if "execution_interrupted" in said:
            outcome, message = Outcome.INTERRUPTED, said["execution_interrupted"]
        elif "execution_error" in said and "execution_success" not in said:  # a blocked node has both: it succeeded
            outcome, message = Outcome.FAILED, said["execution_error"]
        elif status.get("status_str") == "error":
            outcome = Outcome.FAILED
        cached = said.get("execution_cached", {}).get("nodes")
        return cls(
            prompt,
            outcome,
            _milliseconds(said.get("execution_start", {}).get("timestamp")),
            _milliseconds(message.get("timestamp")),
            tuple(map(str, cached)) if isinstance(cached, list) else (),
            message,
            _table(entry.get("outputs")),
        )


@dataclass(frozen=True, slots=True)
class Pack:
    """What the node pack inside says of itself."""

    spool: str | None = None
    """The folder that its process appends to; None when it could write nothing."""
    instance: str | None = None
    process: str = ""
    """Which process it is in."""
    worker_alive: bool | None = None
    run_id: str | None = None
    """What runs ..."""
    at: str = ""
    """... and where in it; changes when it gets on."""
    node: str | None = None
    node_id: str | None = None
    failing: str | None = None
    """Why it cannot write its spool now; None while it can."""

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Pack:
        """From `GET /safelight/state`."""
        alive, run = state.get("worker_alive"), _table(state.get("run"))
        health = _table(state.get("health"))
        error = _WHEN.sub("", _text(health.get("last_error")) or "") or "-"
        return cls(
            _text(state.get("spool")),
            _text(state.get("instance")),
            f"{state.get('host')}:{state.get('pid')}",
            alive if isinstance(alive, bool) else None,
            _text(run.get("workflow_id")),
            repr(sorted((key, value) for key, value in run.items() if key in _PLACES)),
            _text(run.get("node")),
            _text(run.get("node_id")),
            error if health.get("failing") is True else None,
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one look saw."""

    at_ms: int
    running: tuple[Prompt, ...] = ()
    pending: tuple[Prompt, ...] = ()
    ended: tuple[Ended, ...] = ()
    """Runs of the history in the order of their end: those since the last one known, and any that left the queue."""
    continues: bool = True
    """Whether the history still holds a run that was known to have ended; true when none was known."""
    build: str | None = None
    """Versions and arguments, when they were asked for: another build is another process."""
    pack: Pack | None = None
    output_classes: frozenset[str] = field(default_factory=frozenset)
    """Of the classes at loose ends: those that are output nodes."""

    def left_out(self, prompt: Prompt) -> list[str]:
        """Its output nodes that will not run, for they failed validation while others did not."""
        return [node_id for node_id in prompt.loose_ends() if prompt.class_of(node_id) in self.output_classes]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value or None if isinstance(value, str) else None


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 1e12 <= value < 1e13 else None  # 2001 to 2286, in ms
