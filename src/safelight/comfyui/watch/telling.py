"""The events of one run, as JSON lines are made of them. Ids depend on what is told and nothing else: told twice, it is
the same event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from ...event import IMPORTED, Name
from ..pack import document, graph
from .snapshot import Ended, Outcome, Prompt

Event = dict[str, Any]

_NAMESPACE: Final = UUID("5afe1164-0000-5000-8000-000000000001")
_OOM_TIPS: Final = "\nThis error means you ran out of memory on your GPU."
"""ComfyUI adds advice to the message of a torch.OutOfMemoryError; the exception itself does not say it."""
_SCALARS: Final = (str, int, float, bool)
_LONGEST_EXTRA: Final = 200  # characters
_TELL_AGAIN_MS: Final = 3_600_000


class Teller:
    """Writes the events of one ComfyUI."""

    def __init__(self, key: str, constants: dict[str, str]) -> None:
        """`key` tells this ComfyUI from others, whatever it is called; `constants` go into every event."""
        self._key = key
        self.constants = constants
        self._documents: dict[str, int] = {}  # sha256 -> when it was last told, ms

    def event(
        self, name: str, at_ms: int, run_id: str = "", *, level: str = "INFO", ordinal: object = "", **fields: Any
    ) -> Event:
        """One event; fields that are None are left out. `ordinal` tells events of one name and run apart."""
        if not run_id:
            ordinal = f"{at_ms}/{ordinal}"
        event: Event = {
            "id": str(uuid5(_NAMESPACE, _utf8(f"{self._key}\n{run_id}\n{name}\n{ordinal}"))),
            "timestamp": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(),
            "level": level,
            "event": name,
            **self.constants,
        }
        if run_id:
            event["workflow_id"] = run_id
        return event | {key: value for key, value in fields.items() if value is not None}

    def queued(
        self, prompt: Prompt, at_ms: int, remaining: int | None = None, left_out: Sequence[str] = ()
    ) -> Iterator[Event]:
        """Its documents, then `run_queued`. `left_out`: output nodes that will not run."""
        at_ms = prompt.queued_ms or at_ms
        shown, documents = self._without_secrets(prompt)
        for kind, text in documents:
            yield from self._document(prompt.run_id, kind, text, at_ms)
        node_errors = {
            node_id: {
                "class_type": prompt.class_of(node_id),
                "errors": [{"type": "output_left_out", "message": "Output will be ignored", "details": ""}],
            }
            for node_id in left_out
        }
        yield self.event(
            Name.RUN_QUEUED,
            at_ms,
            prompt.run_id,
            level="WARNING" if node_errors else "INFO",
            **shown,
            number=prompt.number,
            queue_remaining=remaining,
            node_errors=node_errors or None,
        )

    def started(self, prompt: Prompt, at_ms: int, queued_ms: int | None) -> Event:
        """It left the queue."""
        waited = max(0, at_ms - queued_ms) if queued_ms is not None else None
        return self.event(Name.RUN_STARTED, at_ms, prompt.run_id, queue_ms=waited)

    def ended(self, run: Ended, at_ms: int) -> Iterator[Event]:
        """Cached nodes, outputs, the failed node, and how it ended."""
        run_id, over = run.prompt.run_id, run.ended_ms or at_ms
        spot: dict[str, Any]
        for cached in run.cached:
            spot = {"node": run.prompt.class_of(cached), "node_id": cached}
            title = graph.title(run.prompt.prompt.get(cached))
            yield self.event(Name.NODE_CACHED, run.started_ms or over, run_id, ordinal=cached, **spot, title=title)
        yield from self._outputs(run, over)
        took = max(0, over - run.started_ms) if run.started_ms is not None and run.ended_ms is not None else None
        node, node_id = _text(run.message.get("node_type")), _text(run.message.get("node_id"))
        length = "duration_ms" if node_id is None else "ran_ms"  # an event that names a node has that node's duration
        match run.outcome:
            case Outcome.FINISHED:
                yield self.event(Name.RUN_FINISHED, over, run_id, duration_ms=took, cached=len(run.cached))
            case Outcome.INTERRUPTED:
                spot = {"node": node, "node_id": node_id, length: took}
                yield self.event(Name.RUN_INTERRUPTED, over, run_id, level="WARNING", **spot)
            case Outcome.FAILED:
                failure = _failure(run.message)
                spot = {"node": node, "node_id": node_id, length: took}
                if node_id is not None:
                    yield self.event(
                        Name.NODE_FAILED,
                        over,
                        run_id,
                        level="ERROR",
                        ordinal=node_id,
                        node=node,
                        node_id=node_id,
                        **failure,
                    )
                    del failure["traceback"]
                # What failed in a node is an error already: as a second one, errors would be twice the failures.
                level = "ERROR" if node_id is None else "WARNING"
                yield self.event(Name.RUN_FAILED, over, run_id, level=level, **spot, **failure)

    def _outputs(self, run: Ended, at_ms: int) -> Iterator[Event]:
        for node_id, output in run.outputs.items():
            files = [
                file
                for items in (output.values() if isinstance(output, dict) else ())
                for file in (items if isinstance(items, list) else ())
                if isinstance(file, dict) and isinstance(file.get("filename"), str)
            ]
            for index, file in enumerate(files):
                yield self.event(
                    Name.OUTPUT_SAVED,
                    at_ms,
                    run.prompt.run_id,
                    ordinal=f"{node_id}/{index}",
                    node=run.prompt.class_of(node_id),
                    node_id=node_id,
                    filename=file["filename"],
                    subfolder=_text(file.get("subfolder")) or "",
                    type=_text(file.get("type")) or "output",
                    check="unchecked",
                )

    def _document(self, run_id: str, kind: str, text: str, at_ms: int) -> Iterator[Event]:
        sha256 = document.sha256(text)
        last = self._documents.get(sha256)
        if last is not None and at_ms - last < _TELL_AGAIN_MS:
            return
        self._documents = {known: at for known, at in self._documents.items() if at_ms - at < _TELL_AGAIN_MS}
        self._documents[sha256] = at_ms
        for fields in document.parts(kind, text):
            ordinal = f"{sha256}/{fields['part']}"
            yield self.event(Name.RUN_DOCUMENT, at_ms, run_id, level="DEBUG", ordinal=ordinal, **fields)

    def _without_secrets(self, prompt: Prompt) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """The fields of `run_queued` that come from what was submitted, and the documents to keep."""
        known: set[str] = set()
        documents: list[tuple[str, str]] = []
        redacted: list[str] = []
        fields: dict[str, Any] = {}
        pnginfo = prompt.extra.get("extra_pnginfo")
        workflow = pnginfo.get("workflow") if isinstance(pnginfo, dict) else None
        rest = {key: value for key, value in prompt.extra.items() if key != "extra_pnginfo"}
        clean: dict[str, dict[str, Any]] = {}
        values = {"prompt": document.clean_prompt(prompt.prompt), "workflow": workflow, "extra": rest}
        for kind, value in values.items():
            if not isinstance(value, dict) or not value:
                continue
            try:
                clean[kind], found = document.scrub(value, known)
                text = document.canonical(clean[kind])
            except (document.TooLarge, ValueError, TypeError):
                fields[f"{kind}_omitted"] = "too large"
                continue
            redacted += found if kind == "prompt" else [f"{kind}.{path}" for path in found]
            documents.append((kind, text))
            fields[f"{kind}_sha256"] = document.sha256(text)
        extra = clean.get("extra", {})
        safelight = extra.get("safelight")
        fields |= {
            "graph_hash": graph.graph_hash(prompt.prompt),
            "workflow_name": graph.workflow_name(pnginfo, clean.get("prompt", {})),
            "client_id": _text(extra.get("client_id")),
            "traceparent": _text(extra.get("traceparent")),
            "replay_of": _text(safelight.get("replay_of")) if isinstance(safelight, dict) else None,
            "node_count": len(prompt.prompt),
            "models": graph.models(clean.get("prompt", {})),
            "input_files": graph.input_files(clean.get("prompt", {})),
            "extra": {
                key: value
                for key, value in extra.items()
                if isinstance(value, _SCALARS) and len(str(value)) <= _LONGEST_EXTRA
            },
            "redacted": redacted or None,
        }
        return fields, documents


def imported(events: Iterator[Event]) -> Iterator[Event]:
    """The same events as history, which no rule judges."""
    for event in events:
        yield event | {"id": IMPORTED + event["id"]}


def _failure(message: dict[str, Any]) -> dict[str, Any]:
    said = str(message.get("exception_message") or "").partition(_OOM_TIPS)[0].strip("\n")
    kind = _text(message.get("exception_type"))
    frames = message.get("traceback")
    trace = "".join(map(str, frames)).rstrip("\n") if isinstance(frames, list) else ""
    last = f"{kind}: {said}" if said else kind or ""
    return {
        "error_type": kind,
        "error_message": document.hide(said) or None,
        "traceback": document.hide(f"Traceback (most recent call last):\n{trace}\n{last}") if trace else None,
    }


def _utf8(text: str) -> str:
    """Without halves of surrogate pairs: an id may be anything that its submitter wrote."""
    return text.encode("utf-8", "backslashreplace").decode()


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None
