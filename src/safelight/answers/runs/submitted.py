"""What a run was when it was submitted, as far as it was kept: what replay and bundles are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ... import rows
from ...comfyui.replay import Submission, removed
from ...documents import Documents
from ...errors import NoSuchEvent
from ...query.sql import Sql
from ...store import Store
from .reading import attributes, document

_WITNESSES: Final = 4
"""A run is queued once, and seldom told of by more than one witness."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A `run_queued` or `run_rejected`."""

    columns: Mapping[str, Any]
    attributes: Mapping[str, Any]

    def document(self, documents: Documents, kind: str) -> Any:
        """The JSON value of its prompt, workflow or extra; None when that is not kept, or nobody can read it now."""
        sha256 = self.attributes.get(f"{kind}_sha256")
        return document(documents.get(sha256)) if isinstance(sha256, str) else None


def submitted(store: Store, documents: Documents, run_id: str) -> Submission:
    """The run, to be submitted again.

    Raises NoSuchEvent for an unknown run and for one whose prompt was not kept, with the reason.
    """
    told = [_Told(row, attributes(row)) for row in _rows(store, run_id)]
    if not told:
        raise NoSuchEvent("replay.no_such_run", run=run_id)
    for one in told:
        prompt = one.document(documents, "prompt")
        if isinstance(prompt, dict):
            return _submission(run_id, one, prompt, documents)
    omitted = next((str(one.attributes["prompt_omitted"]) for one in told if one.attributes.get("prompt_omitted")), "")
    if omitted:
        raise NoSuchEvent("replay.prompt_omitted", run=run_id, reason=omitted)
    damaged = any(documents.kept(str(one.attributes.get("prompt_sha256"))) for one in told)
    raise NoSuchEvent("replay.prompt_damaged" if damaged else "replay.prompt_not_kept", run=run_id)


def _submission(run_id: str, told: _Told, prompt: dict[str, Any], documents: Documents) -> Submission:
    extra = told.document(documents, "extra")
    return Submission(
        run_id,
        prompt,
        told.document(documents, "workflow"),
        extra if isinstance(extra, dict) else {},
        instance=told.columns["instance"],
        workflow_name=told.columns["workflow_name"],
        graph_hash=told.columns["graph_hash"],
        queued_at=rows.iso(told.columns["timestamp"]),
        removed=removed(prompt),
    )


def _rows(store: Store, run_id: str) -> list[dict[str, Any]]:
    condition = Sql("workflow_id = ? AND event IN ('run_queued', 'run_rejected')", (run_id,))
    table: pa.Table = store.newest(condition, limit=_WITNESSES)
    return list(table.to_pylist())
