"""A run once more: the prompt as it was submitted, with the same seeds and the same workflow beside it.

What was removed before it was kept (secrets) must be given again; nothing is ever submitted with a mask in its place.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ..errors import InputError
from ..processors.redact.secrets import MASK
from .client import Client

EXTRA: Final = "extra_data"
"""How the path of a value begins that stood beside the prompt: `extra_data.api_key_comfy_org`."""
_NOT_AGAIN: Final = frozenset({"client_id", "create_time", "safelight"})
"""Of `extra_data`: whose socket it was, when it was, whose replay it was. ComfyUI sends what happens in a run to the
client that is named, and nobody asked that browser."""

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """What was given to ComfyUI, as far as it was kept."""

    run_id: str
    prompt: Mapping[str, Any]
    """By node id: `class_type`, `inputs`, `_meta`."""
    workflow: Any = None
    """The author's graph, with positions; None when the client sent none."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """`extra_data` without the workflow."""
    instance: str | None = None
    workflow_name: str | None = None
    graph_hash: str | None = None
    queued_at: str | None = None
    removed: tuple[str, ...] = ()
    """The inputs whose values were secrets and are to be given, as people write them: `12.api_key`."""

    def given(self, values: Mapping[str, str]) -> Submission:
        """The same with these inputs, by `12.api_key` or `extra_data.name`. A number stays a number.

        Raises InputError for an input that no node has.
        """
        prompt, extra = copy.deepcopy(dict(self.prompt)), dict(self.extra)
        removed = set(self.removed)
        for name, value in values.items():
            if name.startswith(f"{EXTRA}."):
                extra[name.removeprefix(f"{EXTRA}.")] = value
                continue
            node_id, path, holder = _place(prompt, name)
            key = _key(holder, path[-1])
            holder[key] = _like(holder[key], value)
            removed.discard(".".join((node_id, *path)))
        return replace(self, prompt=prompt, extra=extra, removed=tuple(one for one in self.removed if one in removed))

    def with_inputs(self, replaced: Mapping[tuple[str, str], str]) -> Submission:
        """The same with the values of some inputs, by node id and input, such as a file under another name."""
        prompt = copy.deepcopy(dict(self.prompt))
        for (node_id, name), value in replaced.items():
            prompt[node_id]["inputs"][name] = value
        return replace(self, prompt=prompt)

    def extra_data(self) -> dict[str, Any]:
        """What goes with the prompt: as it was, and whose replay it is."""
        extra = {name: value for name, value in self.extra.items() if name not in _NOT_AGAIN and not _is_mask(value)}
        if self.workflow is not None:
            extra["extra_pnginfo"] = {**_mapping(extra.get("extra_pnginfo")), "workflow": self.workflow}
        return {**extra, "safelight": {"replay_of": self.run_id}}


def removed(prompt: Mapping[str, Any]) -> tuple[str, ...]:
    """The inputs of a kept prompt in whose place a mask stands."""
    return tuple(
        ".".join((node_id, *path)) for node_id, node in prompt.items() for path in _masks(_mapping(node).get("inputs"))
    )


async def submit(client: Client, submission: Submission) -> str:
    """Queue it; the new run's id.

    Raises InputError when secrets were removed from it, PromptRejected when it does not validate there, ServiceError.
    """
    refuse_incomplete(submission)
    return await client.submit(submission.prompt, submission.extra_data())


def refuse_incomplete(submission: Submission) -> None:
    """Raises InputError when secrets were removed from it."""
    gone = submission.removed
    if gone:
        raise InputError("replay.secrets_removed", run=submission.run_id, inputs=", ".join(gone), example=gone[0])


def faults(node_errors: Mapping[str, Any]) -> list[str]:
    """What ComfyUI found wrong, a line a mistake: `KSampler 3: Value not in list: ...`."""
    found = []
    for node_id, node in node_errors.items():
        for error in _mapping(node).get("errors") or ():
            said = ": ".join(str(error[key]) for key in ("message", "details") if _mapping(error).get(key))
            found.append(f"{_mapping(node).get('class_type')} {node_id}: {said}")
    return found


def _place(prompt: dict[str, Any], name: str) -> tuple[str, _Path, Any]:
    """Where `12.api_key` stands: node, path within its inputs, what holds it. Node ids may hold dots and colons: the
    longest that fits is meant."""
    for node_id in sorted((one for one in prompt if name.startswith(f"{one}.")), key=len, reverse=True):
        rest = name.removeprefix(f"{node_id}.").removeprefix("inputs.")
        holder: Any = _mapping(prompt[node_id]).get("inputs")
        path: _Path = ()
        while rest:
            if _key(holder, rest) is not None:
                return node_id, (*path, rest), holder
            head, _, rest = rest.partition(".")
            key = _key(holder, head)
            if key is None:
                break
            holder, path = holder[key], (*path, head)
    raise InputError("replay.no_such_input", input=name)


def _key(holder: Any, name: str) -> Any:
    """What `name` is in an object or a list; None when it is not in there."""
    if isinstance(holder, dict):
        return name if name in holder else None
    if isinstance(holder, list) and name.isascii() and name.isdecimal() and len(name) < 10 and int(name) < len(holder):
        return int(name)
    return None


def _like(old: Any, given: str) -> Any:
    """A value that was typed, as the kind of value that stood there."""
    if isinstance(old, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        return given


def _masks(value: Any, path: _Path = ()) -> Iterator[_Path]:
    if _is_mask(value):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _masks(inner, (*path, str(name)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _masks(inner, (*path, str(number)))


def _is_mask(value: Any) -> bool:
    return isinstance(value, str) and MASK in value


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
