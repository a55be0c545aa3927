"""Submitting runs again: one that a person points at, all that were lost, or what the configuration says."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from ..answers.runs.open import left_open
from ..answers.runs.submitted import submitted
from ..comfyui import bundle
from ..comfyui.client import Client
from ..comfyui.replay import Submission, faults, refuse_incomplete, submit
from ..documents import Documents
from ..errors import InputError, PromptRejected, SafelightError, ServiceError
from ..event import Name
from ..locales import ENGLISH, text
from ..note import Note, silent
from ..store import Store
from .ledger import MOST_KNOWN, Ledger, Lost, Recent
from .targets import Target, Targets

BUNDLE_S: Final = 600.0
"""How long an answer may take when it has to read models of many GB first."""
_LATELY: Final = 100
"""Runs of ComfyUI's history among which one that we submitted before a crash of ours is looked for."""
_WANTED: Final = {"never": (), "queued": ("queued",), "all": ("queued", "running")}


@dataclass(frozen=True, slots=True)
class Again:
    """A run that was submitted again."""

    run_id: str
    """The new one."""
    to: str
    """Where, without a password."""


class Resubmitter:
    """Works on the store alone, so with the server down as well; `note` then is silent."""

    def __init__(
        self,
        store: Store,
        documents: Documents,
        targets: Targets,
        note: Note = silent,
        language: str = ENGLISH,
    ) -> None:
        self._store = store
        self._documents = documents
        self.targets = targets
        self._note = note
        self._language = language
        self._one_at_a_time = anyio.Lock()
        self._since = datetime.now(UTC)
        self._settled = Recent(MOST_KNOWN)  # lost runs that were submitted again, of which the store may not tell yet

    async def find(self, run_id: str) -> Submission:
        """A run as it was submitted. Raises NoSuchEvent with the reason when that is not known."""
        return await anyio.to_thread.run_sync(submitted, self._store, self._documents, run_id)

    async def again(self, run_id: str, to: str | None = None, values: Mapping[str, str] | None = None) -> Again:
        """Submit a run once more: `to` an address or an instance, by default where it ran; `values` in place of inputs.

        Raises InputError, PromptRejected when it does not validate there, ServiceError.
        """
        found = (await self.find(run_id)).given(values or {})
        target = await (self.targets.at(to) if to else self.targets.of(found.instance))
        return await self._submit(found, target)

    async def lost(
        self, instance: str | None = None, ids: Iterable[str] | None = None, to: str | None = None
    ) -> dict[str, Any]:
        """Submit again, in their order, the lost runs with these ids, or all that waited in the queue when ComfyUI
        ended: `{"resubmitted": [{"run_id", "new_id"}], "failed": [{"run_id", "reason"}]}`. Each only once. `to`: an
        address or an instance, by default where each was."""
        resubmitted: list[dict[str, str]] = []
        failed: list[dict[str, str]] = []
        async with self._one_at_a_time:
            ledger = await self._ledger()
            for run_id in list(ids) if ids is not None else _queued(ledger, instance):
                try:
                    new = await self._submit(*await self._once(run_id, ledger, to))
                    resubmitted.append({"run_id": run_id, "new_id": new.run_id})
                except SafelightError as error:
                    failed.append({"run_id": run_id, "reason": error.render(self._language)})
        return {"resubmitted": resubmitted, "failed": failed}

    async def would(self, instance: str | None = None, ids: Iterable[str] | None = None) -> dict[str, Any]:
        """What `lost` would do now, and does not: `{"would_submit": [{"run_id", "to"}], "failed": [...]}`. Whether a
        prompt validates there only ComfyUI can say, when it is submitted."""
        would: list[dict[str, str]] = []
        failed: list[dict[str, str]] = []
        ledger = await self._ledger()
        for run_id in dict.fromkeys(ids) if ids is not None else _queued(ledger, instance):
            try:
                submission, target = await self._once(run_id, ledger)
                refuse_incomplete(submission)
                async with target.client() as client:
                    await client.queue()  # it answers
                would.append({"run_id": run_id, "to": client.url})
            except SafelightError as error:
                failed.append({"run_id": run_id, "reason": error.render(self._language)})
        return {"would_submit": would, "failed": failed}

    async def wants(self, lost: Lost) -> bool:
        """Whether the configuration says to submit a lost run again."""
        return ("running" if lost.was_running else "queued") in _WANTED[await self.targets.policy(lost.instance)]

    async def by_policy(self, lost: Lost) -> bool:
        """Submit a lost run again if its ComfyUI answers; False to be tried later. A run that cannot be is noted."""
        async with self._one_at_a_time:
            if lost.run_id in self._settled:
                return True
            try:
                target = await self.targets.of(lost.instance)
                if not await _is_there(target, lost.run_id, ended_too=lost.at < self._since):
                    await self._submit(await self.find(lost.run_id), target)
            except ServiceError as error:
                if not isinstance(error, PromptRejected):
                    return False
                self._refused(lost, error)
            except InputError as error:
                self._refused(lost, error)
            return True

    async def bundle(self, run_id: str, folder: Path | None = None) -> Path:
        """Everything that a run needs elsewhere, in a new file which is the caller's to delete. Without an answer of
        its ComfyUI, only what was kept. Raises InputError."""
        found = await self.find(run_id)
        descriptor, name = tempfile.mkstemp(prefix="safelight-", suffix=".zip", dir=folder)
        os.close(descriptor)
        path = Path(name)
        try:
            try:
                target = await self.targets.of(found.instance)
                async with target.client(BUNDLE_S) as client:
                    await bundle.write(path, found, client)
            except (ServiceError, InputError):
                await bundle.write(path, found, None)
        except BaseException:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - one file, in a moment
            raise
        return path

    async def _once(self, run_id: str, ledger: Ledger, to: str | None = None) -> tuple[Submission, Target]:
        """A lost run that was not submitted again yet, and where it belongs."""
        lost = ledger.lost.get(run_id)
        if lost is None:
            raise InputError("replay.not_lost", run=run_id)
        if run_id in ledger.settled or run_id in self._settled:
            raise InputError("replay.already", run=run_id)
        return await self.find(run_id), await (self.targets.at(to) if to else self.targets.of(lost.instance))

    async def _ledger(self) -> Ledger:
        ledger = Ledger()
        last = self._store.figures().last_seq
        ledger.take(await anyio.to_thread.run_sync(left_open, self._store, datetime.now(UTC), last))
        for run_id in self._settled:
            ledger.settled.add(run_id)
        return ledger

    async def _submit(self, submission: Submission, target: Target) -> Again:
        async with target.client() as client:
            new_id = await submit(client, submission)
            to = client.url
        self._settled.add(submission.run_id)
        self._note(
            Name.RUN_RESUBMITTED,
            message=text("replay.resubmitted", self._language, new=new_id, url=to),
            attributes={"new_id": new_id, "to": to},
            workflow_id=submission.run_id,
            workflow_name=submission.workflow_name,
            instance=submission.instance,
        )
        return Again(new_id, to)

    def _refused(self, lost: Lost, error: SafelightError) -> None:
        errors = faults(error.node_errors) if isinstance(error, PromptRejected) else []
        self._note(
            Name.RUN_RESUBMITTED,
            message=error.render(self._language),
            level="ERROR",
            attributes={"new_id": None, "node_errors": errors},
            workflow_id=lost.run_id,
            instance=lost.instance,
        )


def _queued(ledger: Ledger, instance: str | None) -> list[str]:
    return [
        lost.run_id
        for lost in ledger.waiting()
        if not lost.was_running and (instance is None or lost.instance == instance)
    ]


async def _is_there(target: Target, run_id: str, *, ended_too: bool) -> bool:
    """Whether ComfyUI has it again, or had: we were stopped after submitting it and before writing that down."""
    async with target.client() as client:
        queue = await client.queue()
        ended = await _ended(client) if ended_too else ()
    return any(_replay_of(item) == run_id for item in (*queue["queue_running"], *queue["queue_pending"], *ended))


async def _ended(client: Client) -> list[Any]:
    """What ran there lately, as far as it can be read."""
    try:
        history = await client.history(_LATELY)
    except ServiceError as error:
        if error.key == "comfyui.too_large":
            return []
        raise
    return [entry.get("prompt") for entry in history.values() if isinstance(entry, dict)]


def _replay_of(item: Any) -> Any:
    try:
        return item[3]["safelight"]["replay_of"]
    except (LookupError, TypeError):
        return None
