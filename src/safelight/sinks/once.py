"""How the other side knows a batch again that it has already."""

from __future__ import annotations

import hashlib

from ..batch import Batch


def key_of(batch: Batch, batch_id: str) -> str:
    """The same for the same events, another one for others: by the ids in it, since the number of a batch begins anew
    when its queue is deleted."""
    ids = hashlib.sha256("\n".join(id_ or "" for id_ in batch["id"].to_pylist()).encode())
    return f"{batch_id}.{ids.hexdigest()[:24]}"
