"""What was submitted: the documents and the event of a prompt that is queued, or rejected.

Runs on ComfyUI's event loop, so a prompt of hundreds of megabytes is left as soon as it is known to be one.
"""

from __future__ import annotations

import re
from contextvars import ContextVar
from time import monotonic, perf_counter_ns, time_ns

from . import graph
from .document import TooLarge, canonical, clean_prompt, hide, is_secret_name, parts, scrub, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

REMEMBERED = 3_600  # seconds in which a document is not emitted again
DOCUMENTS = 1_000  # documents remembered
WAITING = 10_000  # prompts whose time of queueing is remembered
SCALARS, SCALAR = 20, 200  # small values of extra_data, and characters of one
NODES, ERRORS, DETAILS = 50, 5, 500  # of a rejection: nodes, errors of each, characters of each
_NODE_ID = re.compile(r"\ANode ID '#([^']{1,100})'\Z")
_MOVING = frozenset(
    {"client_id", "create_time", "extra_pnginfo"}
)  # of extra_data: told elsewhere, or never twice the same


class Request:
    """One POST /prompt under way: who asks, and what ComfyUI's validation said."""

    __slots__ = ("error", "node_errors", "prompt", "queued", "traceparent", "user_id", "workflow_id")

    def __init__(self, user_id: str | None = None, traceparent: str | None = None) -> None:
        self.user_id, self.traceparent = user_id, traceparent
        self.workflow_id: str | None = None
        self.prompt: Any = None
        self.error: Any = None
        self.node_errors: Any = None
        self.queued = False


request: ContextVar[Request | None] = ContextVar("safelight_request", default=None)
"""The request that this task answers."""


class Submissions:
    """Tells of prompts as they come in. `append` is safelight_emit's; `queued` is filled for whoever measures waits."""

    def __init__(self, append: Callable[..., None], queued: dict[str, tuple[int, frozenset[str]]]) -> None:
        self._append, self._queued = append, queued
        self._documents: dict[str, float] = {}

    def queued(self, item: tuple[Any, ...], queue_remaining: int) -> None:
        """ComfyUI has put this item into its queue: number, id, prompt, extra_data, outputs, and API keys."""
        number, workflow_id, prompt, extra_data = item[0], str(item[1]), item[2], item[3]
        moment = time_ns()
        while len(self._queued) >= WAITING:
            del self._queued[next(iter(self._queued))]
        asked = request.get()
        fields: dict[str, Any] = {"workflow_id": workflow_id}
        extra_data = extra_data if isinstance(extra_data, dict) else {}
        if asked is not None:
            asked.queued = True
            self._say_who(asked, fields)
            if asked.workflow_id == workflow_id and asked.node_errors:
                fields["node_errors"] = _condensed(asked.node_errors)
        known = _texts(item[5]) if len(item) > 5 else set()
        known = self._say_what(prompt, extra_data, known, fields, moment)
        self._queued[workflow_id] = (perf_counter_ns(), frozenset(known))
        for name in ("client_id", "user_id"):
            if name not in fields and isinstance(value := extra_data.get(name), str) and value:
                fields[name] = value[:SCALAR]
        replay = extra_data.get("safelight")
        if isinstance(replay, dict) and isinstance(replay.get("replay_of"), str):
            fields["replay_of"] = replay["replay_of"][:SCALAR]
        fields["number"] = number
        fields["queue_remaining"] = queue_remaining
        self._append("run_queued", "INFO", fields, moment)

    def rejected(self, asked: Request, status: int, answer: Any, extra_data: Mapping[str, Any]) -> None:
        """ComfyUI refused the prompt. `answer`: the body of its answer; `extra_data`: what came with the prompt."""
        from uuid import uuid4  # noqa: PLC0415 - rejections are rare

        answer = answer if isinstance(answer, dict) else {}
        error, node_errors = asked.error or answer.get("error"), asked.node_errors or answer.get("node_errors")
        fields: dict[str, Any] = {"workflow_id": asked.workflow_id or str(uuid4()), "status": status}
        fields |= _why(error, node_errors)
        if node_errors:
            fields["node_errors"] = _condensed(node_errors)
        self._say_who(asked, fields)
        if isinstance(asked.prompt, dict):
            if "node_id" in fields and not fields.get("node"):
                node = asked.prompt.get(fields["node_id"])
                fields["node"] = str(node.get("class_type", "")) if isinstance(node, dict) else ""
            self._say_what(asked.prompt, extra_data, set(), fields, time_ns())
        self._append("run_rejected", "ERROR", fields)

    def withdrawn(self, workflow_id: str) -> None:
        """Somebody took the prompt out of the queue before its turn."""
        if self._queued.pop(workflow_id, None) is None:
            return  # told already: one of ComfyUI's two ways out goes through the other
        self._append("run_interrupted", "WARNING", {"workflow_id": workflow_id, "reason": "removed from the queue"})

    @staticmethod
    def _say_who(asked: Request, fields: dict[str, Any]) -> None:
        if asked.user_id:
            fields["user_id"] = asked.user_id
        if asked.traceparent:
            fields["traceparent"] = asked.traceparent

    def _say_what(
        self, prompt: Any, extra_data: Mapping[str, Any], known: set[str], fields: dict[str, Any], moment: int
    ) -> set[str]:
        """Fills `fields`; returns the secrets, with those that were found."""
        redacted: list[str] = []
        known |= {value for name, value in extra_data.items() if isinstance(value, str) and is_secret_name(str(name))}
        known = {secret for secret in known if len(secret) >= 8}
        if isinstance(prompt, dict):
            pictures = extra_data.get("extra_pnginfo")
            fields["graph_hash"] = graph.graph_hash(prompt)
            if name := graph.workflow_name(pictures, prompt):
                fields["workflow_name"] = hide(name)
            fields["node_count"] = len(prompt)
            fields["models"] = graph.models(prompt)
            fields["input_files"] = graph.input_files(prompt)
            self._document("prompt", clean_prompt(prompt), known, fields, redacted, moment)
            rest = {name: value for name, value in extra_data.items() if name not in _MOVING}
            if isinstance(pictures, dict):
                if "workflow" in pictures:
                    self._document("workflow", pictures["workflow"], known, fields, redacted, moment)
                if others := {name: value for name, value in pictures.items() if name != "workflow"}:
                    rest["extra_pnginfo"] = others
            if rest:
                self._document("extra", rest, known, fields, redacted, moment)
                if small := _small(rest, known):
                    fields["extra"] = small
        if redacted:
            fields["redacted"] = redacted[:200]
        return known

    def _document(
        self,
        kind: str,
        value: Any,
        known: set[str],
        fields: dict[str, Any],
        redacted: list[str],
        moment: int,
    ) -> None:
        try:
            clean, found = scrub(value, known)
            text = canonical(clean)
        except TooLarge:
            fields[f"{kind}_omitted"] = "too large"
            return
        redacted += found if kind == "prompt" else [f"{kind}.{path}" for path in found]
        name = sha256(text)
        fields[f"{kind}_sha256"] = name
        now = monotonic()
        if now - self._documents.get(name, -REMEMBERED) < REMEMBERED:
            return
        for part in parts(kind, text):
            self._append("run_document", "DEBUG", {"workflow_id": fields["workflow_id"], **part}, moment)
        self._documents.pop(name, None)
        while len(self._documents) >= DOCUMENTS:
            del self._documents[next(iter(self._documents))]
        self._documents[name] = now


def _why(error: Any, node_errors: Any) -> dict[str, Any]:
    """Type and message of a refusal, and the first node that is to blame."""
    why: dict[str, Any] = {}
    if isinstance(error, dict):
        why = {"error_type": str(error.get("type", "")), "error_message": _sentence(error)}
        extra = error.get("extra_info")
        if isinstance(extra, dict) and "node_id" in extra:  # missing_node_type
            why |= {"node_id": str(extra["node_id"]), "node": str(extra.get("class_type", ""))}
        elif named := _NODE_ID.search(str(error.get("details", ""))):  # the same before 0.12
            why["node_id"] = named[1]
    elif error:
        why = {"error_type": "invalid_prompt", "error_message": hide(str(error))[:DETAILS]}
    if isinstance(node_errors, dict):
        for node_id in sorted(node_errors, key=_number):
            said = node_errors[node_id]
            if errors := _errors(said):
                why |= {"node_id": str(node_id), "node": str(said.get("class_type", ""))}
                first = errors[0]
                return why | {"error_type": str(first.get("type", "")), "error_message": _sentence(first)}
    return why


def _sentence(error: Mapping[str, Any]) -> str:
    message, details = str(error.get("message", "")), str(error.get("details", ""))
    told = message if not details or details == message else f"{message.rstrip('.:')}: {details}"
    return hide(told)[:DETAILS]


def _condensed(node_errors: Any) -> dict[str, Any]:
    condensed: dict[str, Any] = {}
    for node_id, said in node_errors.items() if isinstance(node_errors, dict) else ():
        if len(condensed) >= NODES:
            break
        if isinstance(said, dict):
            errors = [
                {name: hide(str(error.get(name, "")))[:DETAILS] for name in ("type", "message", "details")}
                for error in _errors(said)[:ERRORS]
            ]
            condensed[str(node_id)] = {"class_type": str(said.get("class_type", "")), "errors": errors}
    return condensed


def _errors(said: Any) -> list[dict[str, Any]]:
    """The errors of a node in an order of ours: ComfyUI's is another each time, and the first decides on the group."""
    errors = said.get("errors") if isinstance(said, dict) else None
    found = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return sorted(found, key=lambda error: (str(error.get("type")), str(error.get("details"))))


def _number(node_id: Any) -> tuple[int, str]:
    """Ids are mostly numbers, written as text."""
    text = str(node_id)
    return (int(text) if text.isdecimal() and len(text) < 16 else 10**16), text


def _small(extra: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    plain = {
        str(name)[:80]: value
        for name, value in extra.items()
        if (type(value) in {int, float, bool} or (type(value) is str and len(value) <= SCALAR))
        and not is_secret_name(str(name))
    }
    small: dict[str, Any] = scrub(dict(list(plain.items())[:SCALARS]), known)[0]
    return small


def _texts(value: Any) -> set[str]:
    return {one for one in value.values() if isinstance(one, str)} if isinstance(value, dict) else set()
