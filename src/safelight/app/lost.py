"""The keeper of runs whose process died: each is declared lost once, with where it was, and submitted again by policy.

A run that the node pack tells of has its events in the spool folder of ComfyUI's process. When that process is gone,
all it wrote is durable, and the run has no end, then no end can come any more. Runs that the watcher tells of it
declares lost itself. Both are known from the store alone, so a restart of Safelight neither forgets nor repeats.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from ..answers.runs.open import LOOK_BACK, LastSeen, heard_at, killed_for_memory, last_seen, left_open, moved
from ..collecting.journal import Journal
from ..errors import SafelightError
from ..event import Name
from ..locales import text
from ..rows import iso
from ..store import Store
from .commits import Commits
from .ledger import Ledger, Lost, Open
from .resubmit import Resubmitter
from .writers import is_gone

LOOK_EVERY_S: Final = 1.0
"""At most: a look asks the store, which costs some 10 ms of CPU."""
CERTAIN_AFTER_S: Final = 5.0
"""A process must be gone for so long: what tells of the reason (a kill for lack of memory) may come a little later."""
QUIET_FOR: Final = timedelta(seconds=5)
"""And nothing may have come from it for so long, as from a process that runs something comes every second: where a file
system does not show the locks of others (a container's, over the network), a living writer looks gone."""
RETRY_S: Final = 10.0
"""When the store could not answer, or a ComfyUI does not answer yet."""
RESUBMIT_WITHIN: Final = timedelta(hours=24)
"""Runs that were lost longer ago are submitted again by people only."""
_SERVICE: Final = "comfyui"


@dataclass
class Keeper:
    """`spools`: the spool directories that this server reads."""

    store: Store
    commits: Commits
    journal: Journal
    spools: Sequence[Path]
    resubmitter: Resubmitter
    language: str
    ledger: Ledger = field(default_factory=Ledger)
    _seq: int | None = None
    _limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    async def run(self) -> None:
        """Until cancelled. A store that does not answer is asked again."""
        resubmit_at = 0.0
        while True:
            try:
                await self._catch_up()
                if self.ledger.open:
                    await anyio.to_thread.run_sync(self.look, limiter=self._limiter)
                waiting = self.waiting()
                if waiting and anyio.current_time() >= resubmit_at:
                    await self.resubmit(waiting)
                    resubmit_at = anyio.current_time() + RETRY_S
            except SafelightError:  # whoever writes reports it
                await anyio.sleep(RETRY_S)
                continue
            await anyio.sleep(LOOK_EVERY_S)
            if not self.ledger.open and not waiting:
                await self.commits.after(self._seq or 0)

    def look(self) -> None:
        """Declare the runs lost whose process is gone. In a worker thread. Raises StoreError."""
        self.ledger.forget(datetime.now(UTC) - LOOK_BACK)
        durable = self.store.checkpoint("spool:")
        now = time.monotonic()
        gone: dict[Path, bool] = {}
        for run in list(self.ledger.open.values()):
            folder = self._folder(run.latest.source)
            if folder is None:
                continue
            if folder not in gone:
                gone[folder] = self._is_gone(folder, durable)
            if not gone[folder]:
                run.gone_since = None
            elif run.gone_since is None:
                run.gone_since = now
            elif now - run.gone_since >= CERTAIN_AFTER_S:
                self._declare(run, durable)

    def waiting(self) -> list[Lost]:
        """What was lost of late and may be submitted again, oldest first."""
        recent = datetime.now(UTC) - RESUBMIT_WITHIN
        return [
            lost
            for lost in self.ledger.waiting()
            if lost.at > recent
            and lost.run_id not in self.ledger.given_up
            and not self.ledger.repeats_a_killer(lost.run_id)
        ]

    async def resubmit(self, waiting: Iterable[Lost]) -> None:
        """Submit again what the configuration says, where ComfyUI answers."""
        wanted: dict[tuple[str | None, bool], bool] = {}
        for lost in waiting:
            kind = (lost.instance, lost.was_running)
            if kind not in wanted:
                wanted[kind] = await self.resubmitter.wants(lost)
            if not wanted[kind]:
                continue
            if await self.resubmitter.by_policy(lost):
                self.ledger.given_up.add(lost.run_id)  # done, one way or the other: the store will tell
            else:  # it does not answer: nor will it for the next ones
                wanted[lost.instance, True] = wanted[lost.instance, False] = False

    async def _catch_up(self) -> None:
        committed = self.commits.last_seq
        if self._seq is None:
            now = datetime.now(UTC)
            steps = await anyio.to_thread.run_sync(left_open, self.store, now, committed, limiter=self._limiter)
        elif committed > self._seq:
            steps = await anyio.to_thread.run_sync(moved, self.store, self._seq, committed, limiter=self._limiter)
        else:
            return
        self.ledger.take(steps)
        self._seq = committed

    def _folder(self, source: str | None) -> Path | None:
        """The folder of the process that told of a run; None when it was not told through a spool of ours."""
        if source is None:
            return None
        folder = Path(source).parent
        return folder if folder.parent in self.spools else None

    def _declare(self, run: Open, durable: Mapping[str, str]) -> None:
        since = run.queued.at - timedelta(minutes=1)
        found = last_seen(self.store, run.queued.run_id, since, running=run.running)
        if found is None:
            return
        folder = self._folder(found.source)
        if folder is not None and not self._is_gone(folder, durable):  # its process goes on in another folder
            run.gone_since = None
            return
        message, attributes = self._told(run, found)
        self.ledger.declare(run.queued.run_id)
        self.journal.note(
            Name.RUN_LOST,
            message,
            "ERROR",
            attributes,
            service=_SERVICE,
            host=run.latest.host,
            instance=run.latest.instance,
            workflow_id=run.queued.run_id,
            workflow_name=run.queued.workflow_name,
            node=found.node,
            node_id=found.node_id,
            vram_used_mb=found.vram_used_mb,
            ram_used_mb=found.ram_used_mb,
        )

    def _is_gone(self, folder: Path, durable: Mapping[str, str]) -> bool:
        if not is_gone(folder, durable):
            return False
        now = datetime.now(UTC)
        heard = heard_at(self.store, str(folder), now - timedelta(hours=1))
        return heard is None or now - heard >= QUIET_FOR

    def _told(self, run: Open, found: LastSeen) -> tuple[str, dict[str, Any]]:
        where = run.latest.instance or run.latest.host or _SERVICE
        if found.node is not None:
            said = text("lost.in_node", self.language, where=where, node=found.node, node_id=found.node_id)
        else:
            said = text("lost.running" if run.running else "lost.queued", self.language, where=where)
        attributes: dict[str, Any] = {"was": "running" if run.running else "queued", "last_seen_at": iso(found.at)}
        proof = killed_for_memory(self.store, run.latest.host, found.at)
        if proof is not None:
            attributes |= {"proof": proof["event"], "proof_id": proof["id"]}
            said = f"{said} {text('lost.killed', self.language)}"
        return said, attributes
