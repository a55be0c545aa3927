"""What went into a node and what came out, in a few characters each: `inputs` and `outputs`.

A preview is a short text, or a number, truth value or None as it is:

    "a portrait of a wom… (412 characters)"       a text, cut at TEXT characters; "text, 412 characters" if off
    "Tensor 1×512×512×3 float32 cuda:0"           a tensor; with `values` also "0…0.98" and "NaN" (see below)
    "LATENT 1×4×64×64"                            a latent, by its samples
    "CONDITIONING 1: 1×77×768"                    a conditioning, by its first tensor
    "MODEL SDXL", "CLIP SDXLClipModel", "VAE"     what ComfyUI passes for its models
    "list of 3: …", "dict of 2: a, b"             anything that holds other things

`values` looks into tensors, which costs time: only at a failure, only on the CPU (a tensor on a GPU would have to be
waited for), and only up to VALUES elements. Values whose name says that they are secret become "***". Never raises;
whatever cannot be told is its type's name.
"""

from __future__ import annotations

from itertools import islice

from .safelight_emit.plain import MASK, is_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

TEXT = 50  # characters of a text
NAMES = 50  # inputs of a node, and outputs
PARTS = 5  # named parts of a list or dict
LENGTH = 200  # characters of a preview
VALUES = 4_000_000  # elements of a tensor that is looked into


def inputs(values: Mapping[str, Any], *, texts: bool = True, tensor_values: bool = False) -> dict[str, Any]:
    """A preview of each input by its name. `texts`: whether the beginning of a text may be shown."""
    try:
        pairs = list(islice(values.items(), NAMES))
        told = {str(name)[:80]: _named(str(name), value, texts, tensor_values) for name, value in pairs}
        if len(values) > NAMES:
            told["…"] = f"{len(values) - NAMES} more"
        return told
    except Exception:  # noqa: BLE001 - not a mapping, or one that changes underway
        return {}


def outputs(values: Iterable[Any], *, texts: bool = True, tensor_values: bool = False) -> list[Any]:
    """A preview of each output, in order."""
    try:
        return [preview(value, texts=texts, tensor_values=tensor_values) for value in islice(values, NAMES)]
    except Exception:  # noqa: BLE001 - see inputs
        return []


def preview(value: Any, *, texts: bool = True, tensor_values: bool = False) -> Any:
    """One value, told shortly."""
    try:
        told = _told(value, texts, tensor_values)
        return told[:LENGTH] if isinstance(told, str) else told
    except Exception:  # noqa: BLE001 - a custom type may raise from anything
        return type(value).__name__


def _named(name: str, value: Any, texts: bool, tensor_values: bool) -> Any:  # noqa: FBT001 - passed on
    if is_secret(name) and value is not None and not isinstance(value, bool):
        return MASK
    return preview(value, texts=texts, tensor_values=tensor_values)


def _told(value: Any, texts: bool, tensor_values: bool) -> Any:  # noqa: FBT001 - passed on
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is int:
        return value if value.bit_length() <= 64 else f"int of {value.bit_length()} bits"
    if kind is float:
        return value if value - value == 0 else str(value)
    if isinstance(value, str):
        return _text(value) if texts else f"text, {len(value)} characters"
    if isinstance(value, (bytes, bytearray)):
        return f"{kind.__name__}, {len(value)} bytes"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _tensor(value, tensor_values)
    if isinstance(value, dict):
        return _dict(value, tensor_values)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _list(value, texts, tensor_values)
    return _object(value)


def _text(value: str) -> str:
    start = value[:TEXT].encode("utf-8", "backslashreplace").decode()
    return start if len(value) <= TEXT else f"{start}… ({len(value)} characters)"


def _shape(tensor: Any) -> str:
    return "×".join(map(str, tuple(tensor.shape)[:8])) or "scalar"


def _tensor(value: Any, tensor_values: bool) -> str:  # noqa: FBT001 - passed on
    told = f"{type(value).__name__} {_shape(value)} {str(value.dtype).removeprefix('torch.')}"
    device = getattr(value, "device", None)
    if device is not None:
        told += f" {device}"
    return f"{told} {_values(value)}".rstrip() if tensor_values else told


def _values(tensor: Any) -> str:
    """The range of a tensor on the CPU, and whether it holds what is no number; empty where looking would cost."""
    if getattr(getattr(tensor, "device", None), "type", None) != "cpu" or not 0 < tensor.numel() <= VALUES:
        return ""
    try:
        tensor = tensor.detach()
        if tensor.is_floating_point():
            lost = int((tensor != tensor).sum())  # noqa: PLR0124 - NaN's own test
            if lost:
                return f"NaN ({lost} of {tensor.numel()})"
        low, high = tensor.min().item(), tensor.max().item()
        return f"{low:.4g}…{high:.4g}"
    except Exception:  # noqa: BLE001 - sparse, quantised, fake: not every tensor can be asked
        return ""


def _dict(value: dict[Any, Any], tensor_values: bool) -> str:  # noqa: FBT001 - passed on
    samples = value.get("samples")
    if hasattr(samples, "shape"):
        return f"LATENT {_shape(samples)} {_values(samples)}".rstrip() if tensor_values else f"LATENT {_shape(samples)}"
    waveform = value.get("waveform")
    if hasattr(waveform, "shape"):
        return f"AUDIO {_shape(waveform)} at {value.get('sample_rate')} Hz"
    names = ", ".join(str(name)[:30] for name in islice(value, PARTS))
    return f"dict of {len(value)}: {names}{', …' if len(value) > PARTS else ''}" if value else "dict, empty"


def _list(value: Any, texts: bool, tensor_values: bool) -> str:  # noqa: FBT001 - passed on
    kind = type(value).__name__
    if not value:
        return f"{kind}, empty"
    first = next(iter(value))
    if (
        isinstance(first, (list, tuple))
        and len(first) == 2
        and hasattr(first[0], "shape")
        and isinstance(first[1], dict)
    ):
        return f"CONDITIONING {len(value)}: {_shape(first[0])}"
    parts = ", ".join(
        f"{kind} of {len(part)}" if isinstance(part, (list, tuple, dict)) else str(_told(part, texts, tensor_values))
        for part in islice(value, PARTS)
    )
    return f"{kind} of {len(value)}: {parts}{', …' if len(value) > PARTS else ''}"


def _object(value: Any) -> str:
    kind = type(value)
    inner = getattr(value, "model", None)
    if hasattr(value, "load_device") and inner is not None:  # a model patcher
        return f"MODEL {type(inner).__name__}"
    if hasattr(value, "cond_stage_model"):
        return f"CLIP {type(value.cond_stage_model).__name__}"
    if hasattr(value, "first_stage_model"):
        return f"VAE {type(value.first_stage_model).__name__}"
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
