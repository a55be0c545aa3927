"""The worker of repairs: tries what waits, checks that it helped, takes back what an alert that is over had asked for.

Guards: one remedy at a place at a time; `max` and `cool_down`, counted over all alerts; nothing twice after a crash; a
dry run unless the configuration says otherwise; every step is written down before it begins and when it has ended,
noted as an event, and told on the channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import anyio.to_thread

from ..alerts.held import Shelf
from ..alerts.repair import Repair
from ..alerts.repairs import Repairs
from ..errors import InputError, RemedyError, SafelightError, StoreError
from ..remedies import Remedy, health, queue
from ..remedies.cause import Cause, Said, Surroundings
from ..units import written
from .reports import Reports, otherwise

LOOK_EVERY_S: Final = 60.0
KEEP_UP_S: Final = 1.0
"""While a queue is paused, and while something is held that should go back."""
AGAIN_S: Final = 10.0
"""Before something that could not be taken back is tried once more."""
HEALTH_EVERY_S: Final = 0.5
SETTLE_S: Final = 300.0


@dataclass
class Remedying:
    """Of one server. `dry_run`: what holds for remedies that do not say; `never`: nothing is done whatever they say, as
    simulated alerts must not restart anything."""

    repairs: Repairs
    shelf: Shelf
    around: Surroundings
    reports: Reports
    dry_run: bool = True
    never: bool = False
    _busy: set[str] = field(default_factory=set)
    _begun: set[str] = field(default_factory=set)
    _again_at: dict[str, float] = field(default_factory=dict)
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _undo_told: set[str] = field(default_factory=set)

    def wake(self) -> None:
        """There may be something to do. On the event loop."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        self._busy.clear()
        self._begun.clear()
        for repair in await anyio.to_thread.run_sync(self.repairs.recover):
            await self._report(repair, "failed", repair.said, final=True)
        async with anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                lively = await self._look(tasks)
                with anyio.move_on_after(KEEP_UP_S if lively else LOOK_EVERY_S):
                    await self._wake.wait()

    async def _look(self, tasks: Any) -> bool:
        """Begin what can begin. True when it should be looked at again soon."""
        for repair in await anyio.to_thread.run_sync(self.repairs.helpless):
            await self.reports.page(repair, [Said("remedies.not_helped")])
        for repair in await anyio.to_thread.run_sync(self.repairs.waiting):
            place = await self._place(repair.remedy, repair.cause)
            if place not in self._busy and repair.id not in self._begun:
                self._busy.add(place)
                self._begun.add(repair.id)
                tasks.start_soon(self._alone, place, repair.id, self._try, repair, place)
        in_force = await anyio.to_thread.run_sync(self.repairs.in_force)
        for repair in in_force:
            place = repair.place or ""
            if place in self._busy or not self._due(repair.id):
                continue
            self._busy.add(place)
            work = self._keep_up if repair.over_at is None else self._undo
            tasks.start_soon(self._alone, place, repair.id, work, repair)
        places = await anyio.to_thread.run_sync(self.shelf.places)
        for place in places:
            if place not in self._busy and self._due(place):
                self._busy.add(place)
                tasks.start_soon(self._alone, place, place, self._put_back, place)
        return bool(in_force or places)

    async def _alone(self, place: str, mark: str, work: Callable[..., Any], *arguments: Any) -> None:
        """Nothing else is done at this place meanwhile. What goes wrong here stops no other."""
        try:
            await work(*arguments)
        except Exception as error:  # noqa: BLE001 - the state cannot be written, a plugin has a mistake
            self.reports.fell_over(place, error)
            await anyio.sleep(AGAIN_S)
        finally:
            self._busy.discard(place)
            self._begun.discard(mark)
            if work in (self._try, self._undo):
                self.wake()

    def _due(self, mark: str) -> bool:
        """What is due is asked for again as long as it is not over: its time need not be known any more."""
        if anyio.current_time() < self._again_at.get(mark, 0.0):
            return False
        self._again_at.pop(mark, None)
        return True

    async def _place(self, remedy: Remedy, cause: Cause) -> str:
        """The address of the ComfyUI, or what else tells one thing from another."""
        try:
            async with await self.around.comfyui(remedy.where(cause)) as client:
                return client.url
        except InputError:
            return remedy.where(cause) or cause.labels.get("service") or "-"

    async def _try(self, repair: Repair, place: str) -> None:
        remedy, cause = repair.remedy, repair.cause
        if (await anyio.to_thread.run_sync(self.repairs.get, repair.id)).status != "waiting":
            return  # it was tried, or called off, since it was listed
        if self.never or repair.only_named(dry_run=self.dry_run):
            said = [Said("remedies.would"), remedy.plan(cause), *otherwise(repair)]
            first = await anyio.to_thread.run_sync(self.repairs.name, repair, said)
            await self._report(repair, "dry_run", said, tell=first)
            return
        refusal = await anyio.to_thread.run_sync(self.repairs.start, repair, place)
        if refusal is not None:
            final = refusal.key == "remedies.too_often" and repair.next is None
            await self._report(repair, "skipped", [refusal], final=final, tell=refusal.key == "remedies.too_often")
            return
        self.reports.begins(repair)
        began = anyio.current_time()
        status, said = await self._done(remedy, cause)
        await self._finished(repair, status, said)
        took_ms = round((anyio.current_time() - began) * 1000)
        await self._report(repair, status, said, took_ms=took_ms, final=status == "failed" and repair.next is None)

    async def _report(self, repair: Repair, status: str, said: Sequence[Said], **how: Any) -> None:
        hushed = await anyio.to_thread.run_sync(self.repairs.hushed, repair)
        await self.reports.ended(repair, status, said, hushed=hushed, **how)

    async def _finished(self, repair: Repair, status: str, said: list[Said]) -> None:
        """Written down once the disk takes it; never, it counts as interrupted after the next start."""
        while True:
            with suppress(StoreError):
                return await anyio.to_thread.run_sync(self.repairs.finish, repair, status, said)
            await anyio.sleep(AGAIN_S)

    async def _done(self, remedy: Remedy, cause: Cause) -> tuple[str, list[Said]]:
        """Apply it, see that it helped, and settle what follows: `done` or `failed`, and what there is to say."""
        said: list[Said] = []
        try:
            with anyio.fail_after(remedy.at_most().total_seconds()):
                said.append(await remedy.apply(cause, self.around))
            said += await self._healthy(remedy, cause)
            with anyio.fail_after(SETTLE_S):
                more = await remedy.settle(cause, self.around)
        except SafelightError as error:
            return "failed", [*said, _why(error)]
        except TimeoutError:
            return "failed", [*said, Said("remedies.gave_up", {"within": written(remedy.at_most())})]
        except Exception as error:  # noqa: BLE001 - a remedy may be anybody's: its failure is written down like any
            return "failed", [*said, Said("remedies.broke", {"reason": f"{type(error).__name__}: {error}"[:300]})]
        return "done", [*said, *([more] if more else [])]

    async def _healthy(self, remedy: Remedy, cause: Cause) -> list[Said]:
        """Wait until the service is well. Raises RemedyError when it is not in time."""
        if remedy.wait_for_health is None or not await self._has_health(remedy, cause):
            return []
        began, reason = anyio.current_time(), ""
        with anyio.move_on_after(remedy.wait_for_health.total_seconds()):
            while True:
                try:
                    await self._check(remedy, cause)
                except SafelightError as error:
                    reason = error.render(self.reports.language)
                    await anyio.sleep(HEALTH_EVERY_S)
                    continue
                return [Said("remedies.health.after", {"seconds": round(anyio.current_time() - began)})]
        raise RemedyError("remedies.health.none", within=written(remedy.wait_for_health), reason=reason)

    async def _has_health(self, remedy: Remedy, cause: Cause) -> bool:
        """Nobody knows where to ask a service that is no ComfyUI: then only somebody who says so waits for it."""
        if remedy.health_url is not None or "wait_for_health" in remedy.model_fields_set:
            return True
        try:
            await (await self.around.comfyui(remedy.where(cause))).__aexit__(None, None, None)
        except InputError:
            return False
        return True

    async def _check(self, remedy: Remedy, cause: Cause) -> None:
        if remedy.health_url is not None:
            await health.of_url(remedy.health_url)
            return
        async with await self.around.comfyui(remedy.where(cause)) as client:
            await health.of_comfyui(client)

    async def _keep_up(self, repair: Repair) -> None:
        """What does not answer now is asked again soon."""
        try:
            await repair.remedy.keep_up(repair.cause, self.around)
        except SafelightError:
            self._again_at[repair.id] = anyio.current_time() + AGAIN_S

    async def _undo(self, repair: Repair) -> None:
        if (await anyio.to_thread.run_sync(self.repairs.get, repair.id)).status != "done":
            return  # it was, since it was listed
        try:
            with anyio.fail_after(SETTLE_S):
                said = [await repair.remedy.undo(repair.cause, self.around)]
        except (SafelightError, TimeoutError) as error:
            self._again_at[repair.id] = anyio.current_time() + AGAIN_S
            reason = (
                error.render(self.reports.language)
                if isinstance(error, SafelightError)
                else written(repair.remedy.at_most())
            )
            if repair.id not in self._undo_told:
                self._undo_told.add(repair.id)
                failed = [Said("remedies.undo_failed", {"reason": reason})]
                await anyio.to_thread.run_sync(self.repairs.remark, repair, failed)
                await self.reports.page(repair, failed)
            return
        self._undo_told.discard(repair.id)
        await anyio.to_thread.run_sync(self.repairs.undone, repair, said)
        await self._report(repair, "undone", said)

    async def _put_back(self, place: str) -> None:
        """What a restart that was cut short had saved, as soon as its ComfyUI answers."""
        try:
            async with await self.around.comfyui(place) as client:
                await queue.put_back(client, self.around.held)
        except SafelightError:
            self._again_at[place] = anyio.current_time() + AGAIN_S


def _why(error: SafelightError) -> Said:
    """Where a ComfyUI answers is named otherwise in a step than in the terminal."""
    if error.key == "replay.no_address":
        return Said("remedies.no_address", {**error.values, "field": "url"})
    return Said.of(error)
