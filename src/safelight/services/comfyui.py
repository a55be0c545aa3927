"""ComfyUI's console: the lines it prints, in 0.3 and in 0.2x (with `[INFO]` tags in colour), and what they mean.

Facts are from execution.py, main.py, nodes.py and comfy/model_management.py of 0.3.64 and 0.27, and from recorded
consoles. What the console cannot tell: the prompt's id; the class and id of a node that failed while running (only its
function and file are in the traceback, and one function may serve several classes); whether `Prompt executed` was a
success, for a failure prints it too. The node pack and the watcher know these.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any, Final

from ..event import LEVELS as LEVEL_NAMES
from ..event import Name
from . import tracebacks
from .generic import described, is_own, opened, progress
from .grammar import LEVELS, Fields, Grammar, plain

_SEVERITY: Final = {level: rank for rank, level in enumerate(LEVEL_NAMES)}

PROMPT_ENDED: Final = "prompt_ended"
"""A prompt left the queue: finished, failed or interrupted."""

MODELS_UNLOADED: Final = "models_unloaded"
"""What ComfyUI does after an out-of-memory that it has just reported: a WARNING, so that one failure is one error."""

_TAGS: Final = re.compile(rf"^\[(?:{LEVELS})\] ", re.MULTILINE)
_BEFORE: Final = rf"(?P<before>[^\n]*?)(?:\[(?:{LEVELS})\] )?"
"""What a node printed without ending the line: the log's own line follows on the same one."""

_EXCEPTION: Final = re.compile(
    _BEFORE + r"(?P<said>!!! Exception during (?:processing|execution) ?!!! ?(.*))", re.DOTALL
)
_FRAMEWORK: Final = re.compile(r"(?:^|/)(?:execution\.py|comfy_api/internal/__init__\.py|comfy_api/\w+/_io\.py)$")
_PACK: Final = re.compile(r"custom_nodes[/\\]([^/\\\s]+)")
_INVALID_NODE: Final = re.compile(r"^\* (\S.*?) (\S+):$", re.MULTILINE)
_REASON: Final = re.compile(r"^  - (.+)$", re.MULTILINE)
_CLOCK: Final = re.compile(r"(?:(\d+):)?(\d+):(\d+)")


def understand(text: str) -> Fields:
    """The columns of one record of the console."""
    opening = opened(plain(text))
    message = _TAGS.sub("", opening.message)
    fields = _known(message) or progress(message) or described(message)
    printed = opening.level or "INFO"
    if fields["event"] != MODELS_UNLOADED and (printed == "DEBUG" or _SEVERITY[printed] > _SEVERITY[fields["level"]]):
        fields["level"] = printed
    if opening.stamp:  # put there by whoever keeps the log: journald, docker, a wrapper
        fields["timestamp"] = opening.stamp
    return fields


def _known(message: str) -> Fields | None:
    for pattern, meaning in _MEANINGS:
        if found := pattern.match(message):
            return {"level": "INFO", "message": message, **meaning(found)}
    return None


def _node_failed(found: re.Match[str]) -> Fields:
    """The announcement and the traceback after it, in one record."""
    said, reason = found["said"], found[3].partition(tracebacks.HEADER)[0]
    fields = described(said)
    trace = fields.get("traceback")
    own = (
        [frame for frame in tracebacks.failure(trace).frames if is_own(frame) and not _is_framework(frame)]
        if trace
        else []
    )
    attributes: dict[str, Any] = {"before": found["before"]} if found["before"].strip() else {}
    if own:
        # The first is the node's own function, called by execution.py; the last is where our hands leave off.
        attributes |= {"node_function": own[0].place, "frame": own[-1].place, **_pack(own[0].file)}
    return fields | {
        "event": Name.NODE_FAILED.value,
        "level": "ERROR",
        "error_message": fields.get("error_message") or reason.removesuffix("+ Exception Group ").strip() or None,
        "attributes": attributes,
    }


def _rejected(found: re.Match[str]) -> Fields:
    """Reasons printed before, with node and id, and `invalid prompt: {...}` if no output was left to run."""
    text = found.string
    fields: Fields = {"event": "validation_failed", "level": "ERROR", "message": text.partition("\n")[0]}
    if node := _INVALID_NODE.search(text):
        fields["node"], fields["node_id"] = node[1], node[2]
    reasons = list(dict.fromkeys(_REASON.findall(text)))
    if reasons:
        fields["error_message"] = "\n".join(reasons)
    start = text.find("invalid prompt: ")
    if start >= 0:
        fields |= {"event": Name.RUN_REJECTED.value, "message": text[start:], **_verdict(text[start + 16 :])}
        fields["error_message"] = "\n".join(reasons) or fields.get("error_message")
    return fields


def _verdict(text: str) -> Fields:
    """The dictionary of `invalid prompt: {...}` is printed by Python's repr."""
    try:
        error = ast.literal_eval(text.strip())
        kind, said, details = str(error["type"]), str(error["message"]), str(error.get("details") or "")
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError, AttributeError):
        return {"error_message": text.strip()}
    extra = error.get("extra_info")
    node = extra.get("class_type") if isinstance(extra, dict) else None
    listed = kind == "prompt_outputs_failed_validation" and details  # then the details are the reasons
    fields: Fields = {
        "error_type": kind,
        "error_message": details if listed else said,
        "message": f"{said}: {details}" if listed else said,
    }
    return fields | ({"node": str(node), "node_id": str(extra.get("node_id"))} if node else {})


def _pack_failed(found: re.Match[str]) -> Fields:
    """`Cannot import ... module for custom nodes` comes after its traceback, the table of import times later."""
    text = found.string
    fields: Fields = {"event": "node_pack_failed", "level": "WARNING"}
    if text.startswith(tracebacks.HEADER):
        trace = text[: found.start("last")].rstrip()
        fields |= described(trace) | fields | {"message": text[found.start("last") :], "traceback": trace}
    return fields | {"attributes": {"path": found["path"], **_pack(found["path"])}}


def _pack(path: str) -> dict[str, str]:
    found = _PACK.search(path)
    return {"node_pack": found[1]} if found else {}


def _is_framework(frame: tracebacks.Frame) -> bool:
    return _FRAMEWORK.search(frame.file.replace("\\", "/")) is not None


def _prompt_ended(found: re.Match[str]) -> Fields:
    """`0.08 seconds`; from ten minutes on, `00:10:23`."""
    if clock := _CLOCK.fullmatch(found[2]):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        took = (hours * 3600 + minutes * 60 + seconds) * 1000.0
    else:
        took = round(float(found[2]) * 1000, 3)
    before = {"attributes": {"before": found["before"]}} if found["before"].strip() else {}
    return {"event": PROMPT_ENDED, "duration_ms": took, **before}


def _says(event: str, level: str = "INFO", **numbers: type) -> Callable[[re.Match[str]], Fields]:
    """A meaning without surprises: the pattern's groups become attributes."""

    def meaning(found: re.Match[str]) -> Fields:
        groups = {name: numbers.get(name, str)(value) for name, value in found.groupdict().items() if value}
        attributes: dict[str, Any] = {"attributes": groups} if groups else {}
        return {"event": event, "level": level, **attributes}

    return meaning


_MEANINGS: Final[list[tuple[re.Pattern[str], Callable[[re.Match[str]], Fields]]]] = [
    (re.compile(r"got prompt$"), _says("prompt_received")),
    (re.compile(_BEFORE + r"Prompt executed in (\d{1,9}(?:\.\d{1,9})?|[\d:]{1,12})(?: seconds)?\s*$"), _prompt_ended),
    (_EXCEPTION, _node_failed),
    (re.compile(r"Failed to validate prompt for output|invalid prompt: "), _rejected),
    (re.compile(r"Requested to load (?P<model>\S+)"), _says("model_requested")),
    (
        re.compile(
            r"loaded (?P<extent>completely|partially)[;: ]"
            r"(?:.*?(?P<loaded_mb>\d{1,9}(?:\.\d+)?) (?:MB loaded|True|False))?",
            re.IGNORECASE,
        ),
        _says(Name.MODEL_LOADED.value, loaded_mb=float),
    ),
    (re.compile(r"Got an OOM, unloading all loaded models"), _says(MODELS_UNLOADED, "WARNING")),
    (re.compile(r"Processing interrupted"), _says(Name.RUN_INTERRUPTED.value)),
    (re.compile(r"To see the GUI go to: (?P<url>\S+)"), _says("service_started")),
    (
        re.compile(r"(?s:Traceback .*\n)?(?P<last>Cannot import (?P<path>.+) module for custom nodes: .*)", re.DOTALL),
        _pack_failed,
    ),
    (re.compile(r"\s*[\d.]+ seconds \((?P<last>IMPORT FAILED)\): (?P<path>.+)"), _pack_failed),
    (re.compile(r"ComfyUI version: (?P<comfyui_version>\S+)"), _says("environment_reported")),
    (re.compile(r"Python version: (?P<python_version>\S+)"), _says("environment_reported")),
    (re.compile(r"pytorch version: (?P<torch_version>\S+)", re.IGNORECASE), _says("environment_reported")),
    (re.compile(r"Device: (?P<device>.+)"), _says("environment_reported")),
    (
        re.compile(r"Total VRAM (?P<vram_total_mb>\d{1,12}) MB, total RAM (?P<ram_total_mb>\d{1,12}) MB"),
        _says("environment_reported", vram_total_mb=int, ram_total_mb=int),
    ),
]

GRAMMAR: Final = Grammar(
    understand=understand,
    begins=re.compile(
        rb".*\d{1,3}%\||got prompt|.*Prompt executed in |.*!!! Exception during |Failed to validate prompt"
        rb"|invalid prompt: |Requested to load |[Ll]oaded (?:completely|partially)|Got an OOM|Processing interrupted"
        rb"|To see the GUI|\s*[\d.]+ seconds(?: \(|:)"
    ),
    promises=re.compile(rb".*!!! Exception during |Exception (?:in|ignored in)\b|.*\b[Ee]xception\b.*:$"),
    explains=re.compile(rb"Cannot import .* module for custom nodes: "),
    lists=re.compile(rb"Failed to validate prompt for output"),
    items=re.compile(rb"\* |  - |Output will be ignored|Failed to validate prompt for output|invalid prompt: "),
    blank_ends_traceback=True,
)
