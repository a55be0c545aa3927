"""Which runs have not ended, which were lost, and which of those were submitted again. Fed with steps, in order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from ..answers.runs.open import Step
from ..event import RUN_ENDED_ANYHOW, Name

MOST_KNOWN: Final = 100_000
"""Resubmissions, and losses, that are remembered."""
MOST_OPEN: Final = 10_000
"""Runs without an end that are followed; beyond it the oldest is given up, as the rules do. A sender that tells of
beginnings only would fill the memory otherwise, and each look goes over all of them."""


class Recent:
    """A set that keeps only so many, the newest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, None] = OrderedDict()

    def add(self, one: str) -> None:
        """As the newest, also when it was known."""
        self._known[one] = None
        self._known.move_to_end(one)
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    def discard(self, one: str) -> None:
        """Whether it was known or not."""
        self._known.pop(one, None)

    def __contains__(self, one: object) -> bool:
        return one in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _recent() -> Recent:
    return Recent(MOST_KNOWN)


@dataclass(slots=True)
class Open:
    """A run without an end."""

    queued: Step
    latest: Step
    running: bool = False
    gone_since: float | None = None
    """Since when its process is known to be gone (monotonic)."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A run whose end nobody will tell."""

    run_id: str
    instance: str | None
    at: datetime
    was_running: bool


@dataclass
class Ledger:
    """The state that follows from the steps of runs."""

    open: OrderedDict[str, Open] = field(default_factory=OrderedDict)
    lost: OrderedDict[str, Lost] = field(default_factory=OrderedDict)
    again: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """The run that was repeated, by the run that repeats it."""
    settled: Recent = field(default_factory=_recent)
    """Runs that were submitted again."""
    given_up: Recent = field(default_factory=_recent)
    """Runs that could not be submitted again unasked; people may, with what was missing."""
    declared: Recent = field(default_factory=_recent)
    """Runs that we called lost, which the store may not have told us yet."""

    def take(self, steps: Iterable[Step]) -> None:
        """What happened to runs."""
        for step in steps:
            said = _said(step)
            if step.event == Name.RUN_RESUBMITTED:
                if isinstance(said.get("new_id"), str):
                    self._repeated(step.run_id, said["new_id"])
                else:
                    self.given_up.add(step.run_id)
            elif step.event == Name.RUN_LOST:
                self._lose(step, was_running=said.get("was") != "queued")
            elif step.event in RUN_ENDED_ANYHOW:  # if it was thought lost, it was not
                self.open.pop(step.run_id, None)
                self.lost.pop(step.run_id, None)
            else:
                if isinstance(said.get("replay_of"), str):
                    self._repeated(said["replay_of"], step.run_id)
                self._begin(step)

    def forget(self, before: datetime) -> None:
        """Runs that have not ended and were not heard of since."""
        for run_id in [run_id for run_id, run in self.open.items() if run.latest.at < before]:
            del self.open[run_id]

    def declare(self, run_id: str) -> None:
        """It is being declared lost: not a second time, whenever the store tells of it."""
        self.open.pop(run_id, None)
        self.declared.add(run_id)

    def waiting(self) -> list[Lost]:
        """What was lost and not submitted again, oldest first."""
        return [lost for lost in self.lost.values() if lost.run_id not in self.settled]

    def repeats_a_killer(self, run_id: str) -> bool:
        """Whether it repeats a run that was lost while it was running: that one may be what kills ComfyUI."""
        first = self.lost.get(self.again.get(run_id, ""))
        return first is not None and first.was_running

    def _begin(self, step: Step) -> None:
        if step.run_id in self.declared:
            return
        run = self.open.setdefault(step.run_id, Open(step, step))
        run.latest = step
        run.running = run.running or step.event == Name.RUN_STARTED
        if len(self.open) > MOST_OPEN:
            self.open.popitem(last=False)

    def _lose(self, step: Step, *, was_running: bool) -> None:
        self.open.pop(step.run_id, None)
        self.declared.discard(step.run_id)
        self.lost[step.run_id] = Lost(step.run_id, step.instance, step.at, was_running)
        if len(self.lost) > MOST_KNOWN:
            self.given_up.discard(self.lost.popitem(last=False)[0])

    def _repeated(self, old: str, new: str) -> None:
        self.settled.add(old)
        self.again[new] = old
        if len(self.again) > MOST_KNOWN:
            self.settled.discard(self.again.popitem(last=False)[1])


def _said(step: Step) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(step.said or "{}")
    except msgspec.MsgspecError:
        return {}
    return said if isinstance(said, dict) else {}
