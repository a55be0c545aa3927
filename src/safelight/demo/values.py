"""What goes into nodes and comes out of them, in the few characters that the pack shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .drawing import OUTPUTS, kind_of
from .job import preview
from .workflows import SEED, Node, Workflow

TEXT: Final = 50
"""Characters of a text."""


def inputs(workflow: Workflow, node: Node, values: Mapping[str, Any], batch: int) -> dict[str, Any]:
    """A preview of each input."""
    return {
        name: _preview(workflow, kind_of(workflow, value), batch)
        if isinstance(value, list)
        else _shown(values.get(value, value) if isinstance(value, str) else value)
        for name, value in node.inputs.items()
    }


def outputs(workflow: Workflow, node: Node, batch: int) -> list[str]:
    """A preview of each output."""
    return [_preview(workflow, kind, batch) for kind in OUTPUTS[node.kind]]


def about(node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
    """What can be searched for: the text that is encoded, how it is sampled."""
    if node.kind == "CLIPTextEncode":
        text = str(values.get(node.inputs["text"], node.inputs["text"]))
        return {"input_text_preview": preview(text), "text_length": len(text)}
    if node.kind == "KSampler":
        return {"sampler": {"steps": node.inputs["steps"], "cfg": node.inputs["cfg"], "seed": values[SEED]}}
    return {}


def _shown(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= TEXT:
        return value
    return f"{value[:TEXT]}… ({len(value)} characters)"


def _preview(workflow: Workflow, kind: str, batch: int) -> str:
    width, height = workflow.size
    family = workflow.family
    return {
        "MODEL": f"MODEL {family.model}",
        "CLIP": f"CLIP {family.clip}",
        "VAE": f"VAE {family.vae}",
        "CONTROL_NET": "comfy.controlnet.ControlNet",
        "UPSCALE_MODEL": "spandrel.ImageModelDescriptor",
        "CONDITIONING": f"CONDITIONING 1: 1×{family.tokens}×{family.width}",
        "LATENT": f"LATENT {batch}×{family.channels}×{height // 8}×{width // 8}",
        "IMAGE": f"Tensor {batch}×{height}×{width}×3 float32 cpu",
        "MASK": "Tensor 1×64×64 float32 cpu",
    }[kind]
