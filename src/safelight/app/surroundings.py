"""What remedies may touch, as the server has it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import anyio
import anyio.to_thread

from ..alerts.held import Shelf
from ..answers.runs.open import left_open
from ..comfyui.client import Client
from ..errors import InputError, RemedyError
from ..remedies.cause import Held, Processes
from ..store import Store
from .ledger import Ledger
from .processes import Started
from .resubmit import Resubmitter

DECLARED_WITHIN_S: Final = 45.0
"""How long runs whose process is gone may take to be declared lost: some 11 s where everything is quick."""
_LOOK_EVERY_S: Final = 1.0
_ANSWER_S: Final = 10.0


class Kept:
    """The shelf, asked from the event loop: a commit waits for the disk."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def of(self, place: str) -> list[Any]:
        """Queue items of a place, in the order in which they are to run."""
        return await anyio.to_thread.run_sync(self._shelf.of, place)

    async def add(self, place: str, items: Sequence[Any]) -> None:
        """Keep these too, behind the others."""
        await anyio.to_thread.run_sync(self._shelf.add, place, items)

    async def drop(self, place: str, run_ids: Iterable[str]) -> None:
        """They are in a queue again."""
        await anyio.to_thread.run_sync(self._shelf.drop, place, list(run_ids))

    async def is_paused(self, place: str) -> bool:
        """Whether what is held there stays held."""
        return await anyio.to_thread.run_sync(self._shelf.is_paused, place)

    async def pause(self, place: str, *, paused: bool) -> None:
        """Hold what comes, or no longer."""
        await anyio.to_thread.run_sync(lambda: self._shelf.pause(place, paused=paused))


class Around:
    """Of one server."""

    def __init__(self, store: Store, shelf: Shelf, resubmitter: Resubmitter) -> None:
        self._store = store
        self._resubmitter = resubmitter
        self.held: Held = Kept(shelf)
        self.processes: Processes = Started(shelf)

    async def comfyui(self, where: str | None) -> Client:
        """A ComfyUI by instance or address; the only one without a name. Raises InputError."""
        targets = self._resubmitter.targets
        target = await (targets.at(where) if where else targets.of(None))
        return target.client(_ANSWER_S)

    async def other(self, than: str | None) -> str:
        """The address of the one other ComfyUI that is configured. Raises InputError."""
        async with await self.comfyui(than) as first:
            others = [source.url for source in self._resubmitter.targets.sources if source.name != first.url]
        if len(others) != 1:
            raise InputError("remedies.no_other")
        return others[0]

    async def resubmit_lost(self, instance: str | None, *, to: str | None = None, gone_before: datetime | None) -> int:
        """Submit what waited when ComfyUI ended again. Returns how many. Raises RemedyError."""
        if gone_before is not None:
            with anyio.move_on_after(DECLARED_WITHIN_S):
                while await anyio.to_thread.run_sync(self._undecided, instance, gone_before):  # noqa: ASYNC110
                    await anyio.sleep(_LOOK_EVERY_S)
        done = await self._resubmitter.lost(instance, to=to)
        if done["failed"]:
            raise RemedyError("remedies.pending_lost", reason=done["failed"][0]["reason"])
        return len(done["resubmitted"])

    def _undecided(self, instance: str | None, before: datetime) -> bool:
        """Whether a run of before is without an end."""
        ledger = Ledger()
        ledger.take(left_open(self._store, datetime.now(UTC), self._store.figures().last_seq))
        return any(
            run.latest.at < before and (instance is None or run.latest.instance == instance)
            for run in ledger.open.values()
        )
