"""Which failures are the same: `error_group`, as `family:scope`, such as `gpu_oom:VAEDecode`.

Only failures are looked at; other events cost nothing. A family is a cause that is known whatever the wording; every
other failure is its exception, its node and the first line of its message without what changes from run to run.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ..batch import Batch, Process
from . import Processor
from .rows import flat, replaced

GPU_OOM: Final = "gpu_oom"

LONGEST: Final = 120
"""Characters of a message that a group may have."""

_OOM_TYPES: Final = frozenset({"torch.OutOfMemoryError", "torch.cuda.OutOfMemoryError", "OutOfMemoryError"})
_OOM_TEXT: Final = re.compile(
    r"\b(?:CUDA|HIP|MPS|XPU|GPU|VRAM|DirectML)\b.{0,80}\bout of memory\b"
    r"|\bout of memory\b.{0,200}\b(?:CUDA|HIP|MPS|XPU|GPU|VRAM|DirectML)\b"
    r"|CUBLAS_STATUS_ALLOC_FAILED|cudaErrorMemoryAllocation|^Allocation on device\b|显存不足",
    re.IGNORECASE | re.DOTALL,
)
_SAME: Final = {"torch.AcceleratorError": "RuntimeError", "AcceleratorError": "RuntimeError"}  # renamed in PyTorch 2.8
_REPEATED_TYPE: Final = re.compile(r"^(?:[\w.]*(?:Error|Exception|Warning): )+")
_CHANGING: Final = [
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"https?://\S+"), "<url>"),
    (re.compile(r"(?:[A-Za-z]:[\\/]|(?<![\w.])[~.]{0,2}/)[^\s'\",;:()\[\]]+"), "<path>"),
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"[\w\-.]+\.(?:safetensors|ckpt|pth?|bin|gguf|onnx|png|jpe?g|webp|gif|mp4|json|yaml)\b"), "<file>"),
    (re.compile(r"\b\d+(?:\.\d+)?(?:\s?(?:[KMGT]i?B|bytes|ms|s|%))?(?![\w.])", re.IGNORECASE), "<n>"),
    (re.compile(r"\b\d+(?:x\d+)+\b|\d{2,}"), "<n>"),
    (re.compile(r"\[[^\[\]]{40,}\]"), "[...]"),
]


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
    attributes: str | None = None,
) -> str:
    """The group of one failure."""
    said = error_message or ("" if error_type else message) or ""
    scope = node or _function(attributes) or ""
    if is_gpu_oom(error_type, said):
        return _joined(GPU_OOM, scope)
    kind = _SAME.get(error_type or "", error_type) or (event if event and event != "log" else "error")
    return _joined(kind, scope, normalised(said))


def is_gpu_oom(error_type: str | None, said: str) -> bool:
    """By type before text: messages get translated, types do not."""
    return error_type in _OOM_TYPES or _OOM_TEXT.search(said[:2000]) is not None


def normalised(said: str) -> str:
    """The first line of a message without numbers, sizes, paths, files, ids; at most `LONGEST` characters."""
    line = next((line.strip() for line in said[:2000].split("\n") if line.strip()), "")
    line = _REPEATED_TYPE.sub("", line)
    for pattern, stand_in in _CHANGING:
        line = pattern.sub(stand_in, line)
    return " ".join(line.split())[:LONGEST].rstrip(" .:,;")


_READ: Final = ("error_type", "error_message", "message", "node", "event", "attributes")
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


def _joined(*parts: str) -> str:
    return ":".join(part for part in parts if part)
