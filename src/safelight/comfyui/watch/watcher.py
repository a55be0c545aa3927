"""What happened between two looks. Pure: snapshots and failures go in with their times, events come out.

A run is told of by whoever saw it first: with the node pack inside, only what the inside cannot say is told here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ...event import Name
from ..pack.worker import WORKER_DEAD
from .snapshot import Ended, Prompt, Snapshot
from .state import QUEUED, RUNNING, Active, State
from .telling import Event, Teller, imported

GONE_AFTER_MS: Final = 5_000
"""How long nobody may listen on this machine's port before the process counts as dead, and its queue as lost. ComfyUI
never closes its port while it lives; a port forwarding that restarts is back within a second or two."""
AWAY_AFTER_MS: Final = 2_000
"""How long a ComfyUI may be out of reach before that is told ..."""
MISSED_AFTER_MS: Final = 60_000
"""... and before it is an ERROR: one that is restarted is back in 10 to 35 s."""
SILENT_AFTER_MS: Final = 60_000
"""... or take questions without answering: a node that holds the interpreter's lock silences it for seconds."""
_LAST_WORDS_MS: Final = 100
_SPANS: Final = 200  # runs of which it is remembered when they ran
_ALWAYS: Final = 1 << 62
DEAD_AFTER_MS: Final = 10_000
"""How long prompts may wait while nothing runs. A living worker takes the next one within milliseconds."""


class Watcher:
    """One ComfyUI, compared with what is known of it."""

    def __init__(self, teller: Teller, state: State, *, local: bool, stuck_after_s: float) -> None:
        """`local`: it is on this machine, where a port that nobody listens on means a process that is gone."""
        self.state = state
        self._teller = teller
        self._local = local
        self._stuck_after_ms = stuck_after_s * 1000
        self.doubtful = True
        """Whether it may be another process than at the last look."""
        self._failing_since: int | None = None
        self._gone = False
        self._waiting_since: int | None = None
        self._spans: dict[str, tuple[int, int]] = {}
        self._at = ""  # where the node pack saw the run last

    def doubt(self) -> None:
        """Its socket broke: look closer next time."""
        self.doubtful = True

    def failed(self, at_ms: int, *, unreachable: bool, reason: str) -> list[Event]:
        """A look came to nothing. `unreachable`: nobody took the question; otherwise nobody answered it."""
        self.doubtful = True
        if self._failing_since is None:
            self._failing_since = at_ms
        away_ms = at_ms - self._failing_since
        events: list[Event] = []
        if level := self._missing(away_ms, unreachable=unreachable):
            since = _iso(self._failing_since)
            said = {"level": level, "error_message": reason, "since": since}
            events.append(self._teller.event(Name.INSTANCE_UNREACHABLE, at_ms, **said))
        if self.state.seen and self._local and unreachable and away_ms >= GONE_AFTER_MS and not self._gone:
            self._gone = True
            events += self._lost(at_ms, proof="nobody listens on its port")
        return events

    def _missing(self, away_ms: int, *, unreachable: bool) -> str | None:
        """How bad it is, when that is news: WARNING once it is away, ERROR once it is missed."""
        state, level = self.state, None
        if not state.seen or away_ms < (AWAY_AFTER_MS if unreachable else SILENT_AFTER_MS):
            return None
        if not state.away:
            state.away, level = True, "WARNING"
        if not state.missed and away_ms >= MISSED_AFTER_MS:
            state.missed, level = True, "ERROR"
        return level

    def look(self, seen: Snapshot, *, silent: bool = False) -> list[Event]:
        """What is new. `silent`: the node pack speaks of runs and nodes."""
        state, first = self.state, not self.state.seen
        events: list[Event] = []
        if state.away:
            state.away = state.missed = False
            events.append(self._teller.event(Name.INSTANCE_RECOVERED, seen.at_ms))
        if not first and self._was_restarted(seen):
            events.append(self._teller.event(Name.INSTANCE_RESTARTED, seen.at_ms, level="WARNING", was_gone=self._gone))
            ended = {run.prompt.run_id for run in seen.ended}
            events += self._lost(seen.at_ms, proof="ComfyUI was restarted", but=ended)
            state.ended.clear()
            state.dead = state.silent = False
        if not seen.continues:
            state.ended.clear()
        state.seen, state.build = True, seen.build or state.build
        state.process = seen.pack.process if seen.pack else state.process
        self.doubtful, self._failing_since, self._gone = False, None, False

        events += self._ended(seen, first=first, silent=silent)
        events += self._queue(seen, silent=silent)
        for run_id in list(self._spans)[:-_SPANS]:
            del self._spans[run_id]
        state.silent = silent
        if seen.pack and seen.pack.run_id and seen.pack.at != self._at:
            self._at = seen.pack.at
            self.moved(seen.pack.run_id, seen.at_ms, seen.pack.node, seen.pack.node_id)
        events += self._dead(seen)
        events += self._stuck(seen.at_ms)
        return events

    def moved(self, run_id: str, at_ms: int, node: str | None = None, node_id: str | None = None) -> None:
        """A run was seen to get on."""
        if (run := self.state.active.get(run_id)) is not None:
            run.since_ms, run.node, run.node_id = at_ms, node or run.node, node_id or run.node_id

    def worker_died(self, at_ms: int, proof: str) -> list[Event]:
        """Told once, until it is seen to work again."""
        if self.state.dead:
            return []
        self.state.dead = True
        said = {"message": WORKER_DEAD, "error_message": WORKER_DEAD, "proof": proof}
        return [self._teller.event(Name.WORKER_DEAD, at_ms, level="ERROR", **said)]

    def run_at(self, at_ms: int) -> str | None:
        """What was running then, if it is exactly one; a little longer, for ComfyUI's last words about it."""
        found = [run_id for run_id, (began, ended) in self._spans.items() if began <= at_ms <= ended + _LAST_WORDS_MS]
        return found[-1] if found else None

    def _was_restarted(self, seen: Snapshot) -> bool:
        state = self.state
        here = {prompt.run_id for prompt in (*seen.running, *seen.pending)}
        if not here.isdisjoint(state.active):
            return False
        if self._gone or _differ(seen.build, state.build):
            return True
        if _differ(seen.pack.process if seen.pack else None, state.process):
            return True
        if not self.doubtful:
            return False  # who empties the history of a ComfyUI that never went away is its user
        if state.ended or not state.active or state.silent:
            return not seen.continues
        return {run.prompt.run_id for run in seen.ended}.isdisjoint(
            state.active
        )  # its first runs, and no trace of them

    def _lost(self, at_ms: int, *, proof: str, but: frozenset[str] | set[str] = frozenset()) -> Iterator[Event]:
        for run_id in [run_id for run_id in self.state.active if run_id not in but]:
            run = self.state.active.pop(run_id)
            self._spans.pop(run_id, None)
            if run.told:
                yield self._run_lost(run_id, run, at_ms, proof)

    def _run_lost(self, run_id: str, run: Active, at_ms: int, proof: str) -> Event:
        where = {"node": run.node, "node_id": run.node_id}
        return self._teller.event(Name.RUN_LOST, at_ms, run_id, level="ERROR", was=run.state, proof=proof, **where)

    def _ended(self, seen: Snapshot, *, first: bool, silent: bool) -> Iterator[Event]:
        state = self.state
        taken_over = state.silent and not silent  # what ended until now, the pack has told
        for run in seen.ended:
            run_id = run.prompt.run_id
            if run_id in state.ended:
                continue
            known = state.active.get(run_id)
            state.end([run_id])
            if run.started_ms is not None:
                self._spans[run_id] = (run.started_ms, run.ended_ms or seen.at_ms)
            if known.told if known else not (silent or taken_over):
                told = self._whole(run, known, seen)
                yield from imported(told) if first else told

    def _whole(self, run: Ended, known: Active | None, seen: Snapshot) -> Iterator[Event]:
        """All of a run that ended, but what was told before."""
        began = run.started_ms or run.ended_ms or seen.at_ms
        queued = run.prompt.queued_ms
        if known is None:
            yield from self._teller.queued(run.prompt, queued or began, left_out=seen.left_out(run.prompt))
        if known is None or known.state == QUEUED:
            yield self._teller.started(run.prompt, began, queued if known is None else queued or known.since_ms)
        yield from self._teller.ended(run, seen.at_ms)

    def _queue(self, seen: Snapshot, *, silent: bool) -> Iterator[Event]:
        state = self.state
        here: set[str] = set()
        remaining = len(seen.running) + len(seen.pending)
        for prompts, now in ((seen.running, RUNNING), (seen.pending, QUEUED)):
            for prompt in prompts:
                here.add(prompt.run_id)
                if prompt.run_id not in state.ended:
                    yield from self._met(prompt, now, seen, remaining, silent=silent)
        for run_id in [run_id for run_id in state.active if run_id not in here]:
            run = state.active[run_id]
            state.end([run_id])
            self._spans.pop(run_id, None)
            if run.told and run.state == QUEUED:
                yield self._teller.event(
                    Name.RUN_INTERRUPTED,
                    seen.at_ms,
                    run_id,
                    level="WARNING",
                    was=QUEUED,
                    reason="removed from the queue",
                )
            elif run.told:
                yield self._run_lost(run_id, run, seen.at_ms, "left the queue and is not in the history")

    def _met(self, prompt: Prompt, now: str, seen: Snapshot, remaining: int, *, silent: bool) -> Iterator[Event]:
        run = self.state.active.get(prompt.run_id)
        new = run is None
        if run is None:
            run = self.state.active[prompt.run_id] = Active(QUEUED, prompt.queued_ms or seen.at_ms, told=not silent)
            if run.told:
                yield from self._teller.queued(prompt, seen.at_ms, remaining, seen.left_out(prompt))
        if now == RUNNING and run.state == QUEUED:
            if run.told:
                yield self._teller.started(prompt, seen.at_ms, None if new and not prompt.queued_ms else run.since_ms)
            run.state, run.since_ms = RUNNING, seen.at_ms
            self._spans[prompt.run_id] = (seen.at_ms, _ALWAYS)

    def _dead(self, seen: Snapshot) -> list[Event]:
        waiting = bool(seen.pending) and not seen.running
        alive = seen.pack.worker_alive if seen.pack else None
        if not waiting:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = seen.at_ms
        if alive is False:
            return self.worker_died(seen.at_ms, "the node pack sees no thread that executes prompts")
        if self._waiting_since is not None and seen.at_ms - self._waiting_since >= DEAD_AFTER_MS:
            return self.worker_died(seen.at_ms, "prompts wait and none is taken")
        if alive or seen.ended or not (seen.running or seen.pending):
            self.state.dead = False
        return []

    def _stuck(self, at_ms: int) -> Iterator[Event]:
        for run_id, run in self.state.active.items():
            if run.state != RUNNING or run.stuck or self.state.dead or at_ms - run.since_ms < self._stuck_after_ms:
                continue
            run.stuck = True
            yield self._teller.event(
                Name.RUN_STUCK,
                at_ms,
                run_id,
                level="WARNING",
                since=_iso(run.since_ms),
                node=run.node,
                node_id=run.node_id,
            )


def _differ(now: str | None, before: str | None) -> bool:
    return bool(now and before and now != before)


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
