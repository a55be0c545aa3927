"""What the watcher knows of one ComfyUI, small enough to be committed with every batch: ids and states, no prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

MOST_ENDED: Final = 64
"""Ended runs whose ids are remembered, to find in the history where the news begins. ComfyUI's user may delete any."""

QUEUED: Final = "queued"
RUNNING: Final = "running"


@dataclass(slots=True)
class Active:
    """A run that has not ended."""

    state: str
    since_ms: int
    """When it was last seen to get on."""
    told: bool = True
    """Whether its events are ours; the node pack's otherwise."""
    node: str | None = None
    node_id: str | None = None
    stuck: bool = False


@dataclass(slots=True)
class State:
    """Of one ComfyUI."""

    seen: bool = False
    """It has answered before."""
    active: dict[str, Active] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    build: str | None = None
    """Its versions and arguments."""
    process: str | None = None
    """The one that the node pack was in."""
    silent: bool = False
    """The node pack speaks of the runs: what has ended meanwhile is not ours to tell."""
    away: bool = False
    """It was told to be unreachable ..."""
    missed: bool = False
    """... and, a minute later, that this is an error."""
    dead: bool = False
    """Its worker was told to be dead."""

    def end(self, run_ids: Iterable[str]) -> None:
        """These are over."""
        for run_id in run_ids:
            self.active.pop(run_id, None)
            if run_id in self.ended:
                self.ended.remove(run_id)
            self.ended.append(run_id)
        del self.ended[:-MOST_ENDED]

    def outline(self) -> tuple[object, ...]:
        """What is worth a commit when nothing was told: not that a run got on."""
        runs = tuple((run_id, run.state) for run_id, run in self.active.items())
        return (
            self.seen,
            runs,
            tuple(self.ended),
            self.build,
            self.process,
            self.silent,
            self.away,
            self.missed,
            self.dead,
        )

    def dump(self) -> str:
        """As JSON; `parse` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str | None) -> State:
        """What `dump` wrote; a new state for anything else."""
        try:
            said: dict[str, Any] = json.loads(text or "")
            said["active"] = {run_id: Active(**run) for run_id, run in said["active"].items()}
            return cls(**said)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()
