"""One run with everything that is known of it: `/runs/{id}`, `safelight run ID`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from ...comfyui.layout import layout
from ...event import Name
from ...locales import ENGLISH
from ...query import runs as query
from ...query.run_states import OF_RUNS, State
from ...query.sql import EVERYTHING
from ...services import failures
from ...store import Store
from ..asked import Asked
from .curve import curve
from .executions import executions
from .reading import Row, decoded, document, span_around, text, time_of
from .saved import saved, shown
from .summary import Told, attribute_of, state, summary
from .usual import usual, usual_nodes

GetDocument = Callable[[str], str | None]
"""The text of a document by its SHA-256; None when it is not kept."""

MOST_EVENTS: Final = 40_000
"""Events of one run that are read."""
MOST_ALIKE: Final = 4_000
"""Of readings (one a second) and of a node's progress; of more, evenly chosen ones."""


def run(store: Store, documents: GetDocument, run_id: str, language: str = ENGLISH) -> dict[str, Any] | None:
    """The run with this id, or None when nothing carries it."""
    asked = Asked.of("*", None, None)
    figures = next(iter(store.run(query.figures([run_id]), EVERYTHING).to_pylist()), None)
    if figures is None:
        return None
    span = span_around(figures["first_at"], figures["last_at"])
    events = decoded(store.run(query.events_of(run_id, MOST_EVENTS, MOST_ALIKE), span).to_pylist())
    of_run = [row for row in events if row["event"] in OF_RUNS]
    under_way: Sequence[Row] = ()
    if state(of_run, figures, asked.now) is State.RUNNING:
        under_way = store.run(query.under_way([run_id]), span).to_pylist()
    head = summary(Told(run_id, of_run, figures, under_way), asked.now)
    earlier = usual(store, [head]).get(run_id)
    head["usual_ms"] = earlier.ms if earlier else None
    start = time_of(head["started_at"]) or time_of(head["queued_at"]) or figures["first_at"]
    said = attribute_of(of_run)
    kept = _documents(documents, said)
    readings = [row["attributes"] for row in events if row["event"] == Name.RESOURCES_SAMPLED]
    nodes = executions(events, start, head["state"], time_of(head["ended_at"]), usual_nodes(store, earlier))
    return {
        **head,
        "advice": _advice(head["error"], language),
        "executions": nodes,
        "curve": curve(readings, start),
        "graph": layout(kept.get("prompt"), kept.get("workflow")),
        "saved": shown(run_id, saved(events)),
        "memory": _ledger(events),
        "lost": _lost(of_run) if head["state"] == State.LOST else None,
        "node_errors": _object(said(Name.RUN_REJECTED, "node_errors") or said(Name.RUN_QUEUED, "node_errors")),
        "prompt": _prompt(said, kept),
        "extra": _object(said(Name.RUN_QUEUED, "extra")) or {},
        "log_query": f"workflow_id:{_quoted(run_id)}",
        "took_ms": asked.took_ms(),
    }


def _advice(error: dict[str, Any] | None, language: str) -> dict[str, str] | None:
    """Why it failed and what to do, when that is known."""
    group = error["group"] if error else None
    advice, title = failures.advice(group, language), failures.title(group, language)
    return {"title": title, **advice._asdict()} if advice and title else None


def find(store: Store, prefix: str, most: int = 10) -> list[str]:
    """The ids that begin so, at most `most`; one that is exactly so is the only one."""
    found = [str(value) for value in store.run(query.beginning_with(prefix, most)).column("id").to_pylist()]
    return [prefix] if prefix in found else found


def _documents(get: GetDocument, said: Any) -> dict[str, Any]:
    """The prompt and the workflow of a run, as far as they are kept."""
    found = {}
    for kind in ("prompt", "workflow"):
        digest = text(said(Name.RUN_QUEUED, f"{kind}_sha256") or said(Name.RUN_REJECTED, f"{kind}_sha256"))
        value = document(get(digest)) if digest else None
        if value is not None:
            found[kind] = value
    return found


def _prompt(said: Any, kept: dict[str, Any]) -> dict[str, Any]:
    redacted = said(Name.RUN_QUEUED, "redacted")
    return {
        "kept": "prompt" in kept,
        "sha256": text(said(Name.RUN_QUEUED, "prompt_sha256") or said(Name.RUN_REJECTED, "prompt_sha256")),
        "redacted": [path for path in redacted if isinstance(path, str)] if isinstance(redacted, list) else [],
        "reason": text(said(Name.RUN_QUEUED, "prompt_omitted")),
    }


def _ledger(events: Sequence[Row]) -> dict[str, Any] | None:
    """Who held the memory when a node failed."""
    for row in events:
        if row["event"] == Name.NODE_FAILED and (found := _object(row["attributes"].get("memory"))):
            return found
    return None


def _lost(events: Sequence[Row]) -> dict[str, Any]:
    """What is known of the end of a run whose process ended with it."""
    said = attribute_of(events)
    names = ("was", "node", "node_id", "vram_used_mb", "ram_used_mb", "last_seen_at", "proof")
    return {name: said(Name.RUN_LOST, name) for name in names}


def _object(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) and value else None


def _quoted(run_id: str) -> str:
    """As a phrase of the query language."""
    escaped = run_id.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
