"""Which failures are the same: `error_group`, as `gpu_oom:VAEDecode`, `missing_model:sd15.safetensors`, `disk_full`.

Only failures are looked at; other events cost nothing. A family is a cause that is known whatever the wording
(`services.failures`); every other failure is its exception, its node and the first line of its message without what
changes from run to run, or, of one that says nothing, the place that raised it.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch, Process
from ..services import failures, tracebacks
from ..services.failures.literal import words
from ..services.sieve import Sieve
from . import Processor
from .rows import flat, replaced

LONGEST: Final = 120
"""Characters of a message that a group may have."""


class _Changing:
    """What changes from run to run. `re` goes through a line 10 times faster for a pattern that begins with a digit
    than for one that begins with a boundary, so those of numbers look back at theirs."""

    def __init__(self, pattern: str, stand_in: str, flags: int = 0) -> None:
        self.words = words(pattern)
        self.pattern = re.compile(pattern, flags)
        self.stand_in = stand_in


_CHANGING: Final = [
    _Changing(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>", re.IGNORECASE),
    _Changing(r"https?://\S+", "<url>"),
    _Changing(r"(?:[A-Za-z]:\\|[A-Za-z]:/|(?<![\w.])[~.]{0,2}/)[^\s'\",;:()\[\]]+", "<path>"),
    _Changing(r"\b0x[0-9a-f]+\b", "<hex>", re.IGNORECASE),
    _Changing(r"\b(?=[0-9a-f]{8})(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "<hex>", re.IGNORECASE),
    _Changing(r"[\w\-.]+\.(?:safetensors|ckpt|pth?|bin|gguf|onnx|png|jpe?g|webp|gif|mp4|json|yaml)\b", "<file>"),
    _Changing(r"\d(?<=\b\d)\d*(?:\.\d+)?(?:\s?(?:[KMGT]i?B|bytes|ms|s|%))?(?![\w.])", "<n>", re.IGNORECASE),
    _Changing(r"\d(?:(?<=\b\d)\d*(?:x\d+)+\b|\d+)", "<n>"),
    _Changing(r"\[[^\[\]]{40,}\]", "[...]"),
]
_MAY_CHANGE: Final = Sieve((one.words, one) for one in _CHANGING)


class Fingerprint(Processor):
    """Give failures an `error_group`. Comes last, after `redact`."""

    type: Literal["fingerprint"] = "fingerprint"

    example: ClassVar[dict[str, Any]] = {}

    def build(self) -> Process:
        """The step."""
        return fingerprint


def fingerprint(batch: Batch) -> Batch:
    """The batch, its failures with an `error_group`. One that has a group keeps it."""
    failed = pc.or_(batch["error_type"].is_valid(), batch["error_message"].is_valid())
    failed = pc.or_(failed, pc.is_in(batch["level"], _ERRORS))
    failed = flat(pc.and_(failed, batch["error_group"].is_null()))
    if not pc.any(failed).as_py():
        return batch
    needed = batch.table.select([*_READ]).filter(failed).to_pylist()
    return replaced(batch, "error_group", failed, [group_of(**row) for row in needed])


def group_of(
    *,
    error_type: str | None = None,
    error_message: str | None = None,
    message: str | None = None,
    node: str | None = None,
    event: str | None = None,
    traceback: str | None = None,
    attributes: str | None = None,
) -> str:
    """The group of one failure."""
    said = error_message or ("" if error_type else message) or ""
    scope = node or _function(attributes) or ""
    known = failures.classify(error_type, said, scope, traceback, event)
    if known.family:
        return known.group
    kind = failures.SAME.get(error_type or "", error_type) or (event if event and event != "log" else "error")
    return ":".join(part for part in (kind, scope, normalised(said) or _place(traceback, scope)) if part)


def normalised(said: str) -> str:
    """The first line of a message without numbers, sizes, paths, files, ids; at most `LONGEST` characters."""
    line = next((line for line in failures.plain(said).split("\n") if line.strip()), "")
    for one in _MAY_CHANGE.left(line.lower()):  # no stand-in has a word that another waits for
        line = one.pattern.sub(one.stand_in, line)
    return " ".join(line.split())[:LONGEST].rstrip(" .:,;")


_READ: Final = ("error_type", "error_message", "message", "node", "event", "traceback", "attributes")
_ERRORS: Final = pa.array(["ERROR", "CRITICAL"])


def _function(attributes: str | None) -> str | None:
    """The console names no node, but the function that failed: `nodes.py:1579 sample`, here without the line."""
    if not attributes or '"node_function"' not in attributes:
        return None
    try:
        place = msgspec.json.decode(attributes).get("node_function")
    except (msgspec.DecodeError, AttributeError):
        return None
    return re.sub(r":\d+ ", ":", place) if isinstance(place, str) else None


def _place(traceback: str | None, scope: str) -> str:
    """`folder/file.py:function` of the frame that raised it, unless the scope says so already."""
    frames = tracebacks.failure(traceback).frames if traceback else ()
    place = f"{frames[-1].short_file}:{frames[-1].function}" if frames else ""
    return "" if place == scope else place
